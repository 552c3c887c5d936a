"""Mastodon's tokens do not expire and are not refreshed; they can only be revoked."""

from __future__ import annotations

from sandbox.exchange import Answer, Call, Malformed


def revoke(call: Call) -> Answer:
    """`client_id`, `client_secret`, `token`; revoking twice is fine."""
    form = dict(call.form())
    if not form:
        try:
            form = {name: str(value) for name, value in call.json_object().items()}
        except Malformed:
            form = {}
    if not call.world.clients.accepts(form.get("client_id", ""), form.get("client_secret", "")):
        text = "You are not authorized to revoke this token"
        return Answer(403, {"error": "unauthorized_client", "error_description": text})
    call.site.tokens.revoked.add(form.get("token", ""))
    return Answer(200, {})
