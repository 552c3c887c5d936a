"""The sandbox network: a tiny network of our own, for demos and first steps. This is its reference page.

Base URL `{server}/sandbox`, for example `http://127.0.0.1:8010/sandbox`. Every call needs
`Authorization: Bearer demo-<name>`: the token names the account, which exists from its first call on
(letters, digits, `_`, `.` and `-`). Bodies and answers are JSON; unknown keys are refused. Ids are
strings, instants are ISO 8601 in UTC (`2026-11-22T09:30:00.123456Z`).

`GET /me` -> 200
    `{"id": "4711", "username": "ada", "name": "Ada", "url": "http://127.0.0.1:8010/?account=ada"}`

`POST /media`, multipart: `file` (with its Content-Type), optional `alt_text` -> 201
    `{"id", "mime_type", "size_bytes", "alt_text"}`. JPEG, PNG, GIF or WebP, at most 5 MiB; alt text at
    most 1,000 characters. A file that no post uses is forgotten after 24 hours. Uploading is invisible.

`POST /posts` `{"text": "...", "reply_to": "<id>", "media": ["<id>"], "due_at": "<instant>"}` -> 201
    the post: `{"id", "status": "published", "text", "reply_to", "media": ["<id>"], "account", "url",
    "created_at"}`. `text` has at most 500 characters (code points) and may be empty or absent only
    with media; at most 4 media; the other keys are optional or null. Threads are chains of `reply_to`,
    which must name a living post of anyone. `due_at` is only shown as lateness on the feed; the header
    `X-Carillon-Due-At` says the same.
    `Idempotency-Key: <1-255 characters>` makes a repeat safe: for 24 hours the same account and key
    get the original post back, with status 200 and the header `idempotent-replayed: true`, and nothing
    new is made; the repeat's body is not compared. Without a key every call makes a post: the network
    has no duplicate detector.
    A text that contains `#slow` is answered 202 `{"id", "status": "processing"}`; poll
    `GET /posts/{id}`: `"status": "processing"` for 2 seconds, then `"published"`. The id stays.

`GET /posts/{id}` -> 200 the post (of any account); 404 when there is none, or it was deleted.

`GET /posts?since=<instant>&limit=<1-100, default 50>` -> 200 `{"posts": [...]}`
    this account's living posts with `created_at >= since` (all without it), newest first, those in
    processing included.

`DELETE /posts/{id}` -> 200 `{"deleted": true}`; 403 for another account's post, 404 when it is gone.

Errors are `{"error": {"code": "...", "message": "..."}}`:
    400 `invalid_json`, `invalid_multipart`, `invalid_parameter`; 401 `invalid_token`;
    403 `not_owner`; 404 `not_found`; 413 `too_large`; 415 `unsupported_type`;
    422 `unknown_field`, `invalid_field`, `text_missing`, `text_too_long`, `too_many_media`,
    `media_not_found`, `reply_not_found`, `alt_text_too_long`; 429 `rate_limited`; 500 `server_error`;
    503 `unavailable`.
    A 4xx made nothing. After a 5xx or a lost answer nothing is certain: repeat under the same key.

Limits: 1,000 creates, 300 uploads and 3,000 other calls per account and minute. Every answer carries
`ratelimit-limit`, `ratelimit-remaining` and `ratelimit-reset` (whole seconds until the window ends); a 429
also carries `retry-after` (seconds).
"""

from __future__ import annotations
