"""The video service: takes a file under a service token, works on it, hands it to the PDS.

`uploadVideo` answers the job flat, as Bluesky's tutorial reads it; `getJobStatus` answers it below
`jobStatus`, as the lexicon says.
"""

from __future__ import annotations

import secrets
from typing import Any

from sandbox import working
from sandbox.bluesky import errors, jwts
from sandbox.bluesky.books import Job, books
from sandbox.bluesky.identity import did_of, known_account, server_dids
from sandbox.bluesky.sessions import UNVERIFIED
from sandbox.exchange import Answer, Call
from sandbox.records import Account

UPLOAD, LIMITS = "app.bsky.video.uploadVideo", "app.bsky.video.getUploadLimits"
_VIDEO_SERVICE = "did:web:video.bsky.app"
_VIDEO_BYTES = 300_000_000
_TYPES = ("video/mp4", "video/mpeg", "video/webm", "video/quicktime", "image/gif")
_DAILY_VIDEOS, _DAILY_BYTES, _DAY_SECONDS = 25, 10_000_000_000, 86_400
_FAILURE_CODES = (
    "validation_failure",
    "encoding_failure",
    "pds_upload_failure",
    "pds_upload_unsupported_blob_size",
    "generic_failure",
)


def authenticate(call: Call) -> Account:
    """Whom a service token speaks for; its audience and method must be the ones meant here."""
    claims = jwts.verify(call.bearer_token)
    if not call.bearer_token:
        raise errors.refused(401, name="AuthMissing")
    if claims is None or "iss" not in claims:
        raise errors.refused(401, "jwt signature does not match jwt issuer", "BadJwtSignature")
    if claims["exp"] <= call.world.now():
        raise errors.refused(401, "jwt expired", "JwtExpired")
    method = "com.atproto.repo.uploadBlob" if call.path.endswith(UPLOAD) else LIMITS
    own = server_dids(call)
    audiences = own if call.path.endswith(UPLOAD) else (*own, _VIDEO_SERVICE)
    if claims["aud"] not in audiences:
        text = "jwt audience does not match service did"
        raise errors.refused(401, text, "BadJwtAudience")
    if claims.get("lxm") != method:
        text = f'bad jwt lexicon method ("lxm"). must match: {method}'
        raise errors.refused(401, text, "BadJwtLexiconMethod")
    account = known_account(call.site, claims["iss"])
    if account is None:
        raise errors.refused(401, "could not resolve jwt issuer", "BadJwtIssuer")
    return account


def upload(call: Call) -> Answer:
    """`POST app.bsky.video.uploadVideo?did=&name=`, raw bytes."""
    query, account = call.query, call.account
    if query.get("did") != did_of(account) or not query.get("name"):
        raise errors.invalid("did and name are required, and did must be the token's issuer")
    kind = call.content_type.partition(";")[0].strip().lower()
    if kind not in _TYPES:
        raise errors.invalid(f"Wrong request encoding (Content-Type): {kind or 'none'}")
    if not 0 < len(call.body) <= _VIDEO_BYTES:
        raise errors.refused(413)
    job = _same_video(call)
    if job is not None:
        told = {"error": "already_exists", "message": "Video already processed"}
        return Answer(409, {**_described(job, call), **told})
    limits = _limits(call)
    if not limits["canUpload"]:
        raise errors.invalid(limits["message"], limits["error"])
    return Answer(200, _described(_start(call), call))


def status(call: Call) -> Answer:
    """`GET app.bsky.video.getJobStatus?jobId=`; open to anyone."""
    book = books(call.site)
    book.finish_jobs(call.site)
    job = book.jobs.get(call.query.get("jobId", ""))
    if job is None:
        raise errors.invalid("Job not found")
    return Answer(200, {"jobStatus": _described(job, call)})


def limits(call: Call) -> Answer:
    """`GET app.bsky.video.getUploadLimits`."""
    return Answer(200, _limits(call))


def _start(call: Call) -> Job:
    work, now = working.begin(call), call.world.now()
    job = Job(secrets.token_hex(8), call.account, call.body, now, work.ready_at, work.reason)
    book = books(call.site)
    book.jobs[job.id] = job
    book.in_works.append(job)
    book.finish_jobs(call.site)
    return job


def _same_video(call: Call) -> Job | None:
    """The job that the same account has for the same bytes, unless nothing came of it."""
    book = books(call.site)
    book.finish_jobs(call.site)
    for job in book.jobs.values():
        if job.account is not call.account or job.data != call.body:
            continue
        is_kept = job.blob is not None and book.blob(call, job.blob.cid)
        if not job.failure and (job in book.in_works or is_kept):
            return job
    return None


def _limits(call: Call) -> dict[str, Any]:
    since = call.world.now() - _DAY_SECONDS
    jobs = books(call.site).jobs.values()
    today = [job for job in jobs if job.account is call.account and job.started_at > since]
    videos_left = _DAILY_VIDEOS - len(today)
    bytes_left = _DAILY_BYTES - sum(len(job.data) for job in today)
    told: dict[str, Any] = {
        "canUpload": True,
        "remainingDailyVideos": max(0, videos_left),
        "remainingDailyBytes": max(0, bytes_left),
    }
    if call.account.name.startswith(UNVERIFIED):
        text = "Please verify your email address before uploading videos"
        return {**told, "canUpload": False, "error": "unconfirmed_email", "message": text}
    if videos_left <= 0 or bytes_left <= 0:
        text = "You have exceeded your daily video upload limit"
        return {**told, "canUpload": False, "error": "DailyLimitExceeded", "message": text}
    return told


def _described(job: Job, call: Call) -> dict[str, Any]:
    told: dict[str, Any] = {"jobId": job.id, "did": did_of(job.account)}
    now = call.world.now()
    if now < job.ready_at:
        share = (now - job.started_at) / (job.ready_at - job.started_at)
        state = "JOB_STATE_CREATED" if share < 0.3 else "JOB_STATE_ENCODING"
        return {**told, "state": state, "progress": int(100 * share)}
    if job.failure:
        code = job.failure if job.failure in _FAILURE_CODES else "encoding_failure"
        failed = {"state": "JOB_STATE_FAILED", "failureCode": code, "error": job.failure}
        return {**told, **failed, "message": f"Video processing failed: {job.failure}"}
    done = {"state": "JOB_STATE_COMPLETED", "progress": 100}
    return {**told, **done, "blob": job.blob.reference()} if job.blob else {**told, **done}
