"""Many posts in one request: written, cancelled, rescheduled, or only judged."""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from django.db import transaction
from django.utils import timezone
from rest_framework.exceptions import ValidationError
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.access import Access
from accounts.models import Role
from api.attachments import attachments_from
from api.base import ApiView, as_uuid
from api.bulk_inputs import BulkInput, BulkMomentInput, IdsInput, TrialInput
from api.field_errors import flatten
from api.problems import FIELD_ERROR, Problem
from api.representations import REMARK, Json
from api.results import MOVES, WRITES, errors_json, moves_json, written_json
from api.schema import Answered, operation
from api.serializers import PostInput
from api.shapes import (
    UUID_EXAMPLE,
    Shape,
    flag,
    identifier,
    list_of,
    listed,
    number,
    or_null,
    text,
)
from api.variants import Content, Variants, connections_of, no_connection
from platforms.models import SocialConnection
from scheduling.bulk_create import Batch, Wish, Written
from scheduling.bulk_moves import Moved, cancel_posts, reschedule_posts
from scheduling.drafts import FieldError
from scheduling.models import ScheduledPost
from scheduling.rules import Invalid
from scheduling.trial import Verdict, judge_draft

RULES = ("priority", "late_policy", "late_limit_minutes", "callback_url")
TRIAL = Shape(
    "Trial",
    "What would become of a draft on one account.",
    connection=identifier("The connected account's id."),
    platform=text("The network.", "mastodon"),
    account=text("The account's name at the network.", "acme"),
    would_do=flag("Nothing stands in its way.", example=True),
    violations=listed(FIELD_ERROR, "What the network, or a rule of ours, would refuse.", []),
    notices=listed(REMARK, "What is good to know although it is in order.", []),
    cost_usd=or_null(number("What the network would charge; null: nothing.", 0.2), None),
)
EXAMPLE_POST = {
    "connection": UUID_EXAMPLE,
    "text": "The bells are back.",
    "scheduled_at": "2026-11-26T10:00:00+01:00",
    "external_id": "campaign-17",
}


class BulkPosts(ApiView):
    """POST writes up to 500 posts."""

    @operation(
        "create_posts",
        "Schedule many posts",
        tag="bulk",
        body=BulkInput,
        example={"posts": [EXAMPLE_POST]},
        answers={200: Answered(WRITES, "What became of each row.")},
    )
    def post(self, request: Request) -> Response:
        """Judge each row by itself, and write all good ones in one transaction.

        A row whose external_id is there already is not written again, so the call may be repeated.
        With `all_or_nothing` one wrong row is enough for none to be written.
        """
        wish = self.read(BulkInput)
        access = self.enter()
        results, wishes, names = _read_rows(access, wish["posts"])
        batch = Batch(access.workspace, access.actor, access.user, results)
        with transaction.atomic():
            batch.judge(wishes)
            _call_by_names(batch.results, names)
            kept = not (wish["all_or_nothing"] and any(one.errors for one in results.values()))
            if kept:
                batch.write(action="posts.created")
                _call_by_names(batch.results, names)
            return self.answer(_written(results, kept=kept))


class BulkCancel(ApiView):
    """POST cancels up to 500 posts."""

    @operation(
        "cancel_posts",
        "Cancel many posts",
        tag="bulk",
        body=IdsInput,
        example={"ids": [UUID_EXAMPLE], "reason": "Postponed to next week."},
        answers={200: MOVES},
    )
    def post(self, request: Request) -> Response:
        """Stop every post that was not sent; each id has a result."""
        wish = self.read(IdsInput)
        access = self.enter()
        keys = _keys(wish["ids"])
        with transaction.atomic():
            results = cancel_posts(
                list(set(keys.values())),
                workspace=access.workspace,
                actor=access.actor,
                reason=wish["reason"],
            )
            return self.answer(_moved(wish["ids"], keys, results))


class BulkReschedule(ApiView):
    """POST reschedules up to 500 posts."""

    @operation(
        "reschedule_posts",
        "Give many posts other moments",
        tag="bulk",
        body=BulkMomentInput,
        example={"ids": [UUID_EXAMPLE], "shift_minutes": 60},
        answers={200: MOVES},
    )
    def post(self, request: Request) -> Response:
        """Move every post that was not sent: to `scheduled_at`, or by `shift_minutes`.

        Prepared uploads and approvals stay. Each id has a result.
        """
        wish = self.read(BulkMomentInput)
        access = self.enter()
        keys = _keys(wish["ids"])

        def moment_of(post: ScheduledPost) -> datetime:
            if "scheduled_at" in wish:
                return wish["scheduled_at"]  # type: ignore[no-any-return]
            return post.scheduled_at + timedelta(minutes=wish["shift_minutes"])

        with transaction.atomic():
            results = reschedule_posts(
                list(set(keys.values())),
                moment_of,
                workspace=access.workspace,
                actor=access.actor,
                time_zone=wish["time_zone"],
                reason=wish["reason"],
            )
            return self.answer(_moved(wish["ids"], keys, results))


class TrialView(ApiView):
    """POST judges a draft; nothing is kept."""

    write_scope = "posts:read"
    write_role = Role.VIEWER

    @operation(
        "try_post",
        "Say what stands in the way of a draft",
        tag="posts",
        body=TrialInput,
        example={"text": "The bells are back.", "connections": [UUID_EXAMPLE]},
        answers={200: list_of(TRIAL, "verdicts")},
    )
    def post(self, request: Request) -> Response:
        """Judge a draft for one or many accounts as if it were scheduled; nothing is kept.

        Each account has its violations (all at once), notices and cost. Without `scheduled_at` its
        moment is now.
        """
        wish = self.read(TrialInput)
        access = self.enter()
        variants = Variants(access, wish)
        connections = connections_of(access, wish["connections"])
        errors = variants.errors
        errors += [
            no_connection(f"connections[{place}]")
            for place, name in enumerate(wish["connections"])
            if name not in connections
        ]
        variants.require_used({one.platform for one in connections.values()})
        if errors:
            raise Invalid(errors)
        shared = {name: wish[name] for name in RULES if name in wish}
        shared["time_zone"] = wish.get("time_zone", access.workspace.time_zone)
        shared.setdefault("late_policy", access.workspace.late_policy)
        found = []
        for name in dict.fromkeys(wish["connections"]):
            account = connections[name]
            content = variants.content(account.platform)
            verdict = judge_draft(
                access.workspace,
                account,
                details={"segments": [{"text": ""}], **shared, **content.columns},
                attachments=content.media or (),
                scheduled_at=wish.get("scheduled_at"),
            )
            found.append(_verdict_json(verdict, content))
        return self.answer({"results": found})


def _read_rows(
    access: Access, rows: Sequence[Any]
) -> tuple[dict[int, Written], dict[int, Wish], dict[int, bool]]:
    """Return what is wrong with rows, what the others want, and whose text came as `text`."""
    body = PostInput()
    results: dict[int, Written] = {}
    read: dict[int, dict[str, Any]] = {}
    for index, row in enumerate(rows):
        try:
            read[index] = body.run_validation(row)
        except ValidationError as error:
            results[index] = Written(errors=flatten(error.detail))
    connections = connections_of(access, [row["connection"] for row in read.values()])
    wishes: dict[int, Wish] = {}
    for index, row in read.items():
        connection = connections.get(row.pop("connection"))
        if connection is None:
            results[index] = Written(errors=[no_connection("connection")])
            continue
        try:
            wishes[index] = _wish(access, connection, row)
        except Problem as problem:
            results[index] = Written(errors=problem.errors)
    return results, wishes, {index: "text" in rows[index] for index in wishes}


def _wish(access: Access, connection: SocialConnection, row: dict[str, Any]) -> Wish:
    media = attachments_from(access, row.pop("media", ()))
    details = {
        "segments": [{"text": ""}],
        "time_zone": access.workspace.time_zone,
        "as_draft": row.pop("draft"),
        **row,
    }
    details.setdefault("scheduled_at", timezone.now())
    return Wish(connection, details, media)


def _call_by_names(results: dict[int, Written], says_text: Mapping[int, bool]) -> None:
    """Call the first segment `text` in errors of rows that were written so."""
    for index, is_text in says_text.items():
        one = results[index]
        if is_text and one.errors:
            one.errors = _as_text(one.errors)


def _as_text(errors: Sequence[FieldError]) -> list[FieldError]:
    return [replace(e, field=e.field.replace("segments[0].text", "text")) for e in errors]


def _written(results: Mapping[int, Written], *, kept: bool) -> Json:
    rows = [written_json(index, results[index], kept=kept) for index in sorted(results)]
    return {
        **{
            status: sum(row["status"] == status for row in rows)
            for status in ("created", "existing", "invalid")
        },
        "results": rows,
    }


def _keys(names: Sequence[str]) -> dict[str, uuid.UUID]:
    """Return the ids that are any, by the text as given."""
    return {name: key for name in names if (key := as_uuid(name))}


def _moved(
    names: Sequence[str], keys: Mapping[str, uuid.UUID], results: Mapping[uuid.UUID, Moved]
) -> Json:
    return moves_json(names, {name: results[key] for name, key in keys.items()})


def _verdict_json(verdict: Verdict, content: Content) -> Json:
    errors = _as_text(verdict.errors) if content.says_text else verdict.errors
    account = verdict.connection
    return {
        "connection": str(account.pk),
        "platform": account.platform,
        "account": account.username or account.external_id,
        "would_do": not errors,
        "violations": errors_json(errors),
        "notices": [{"code": n.code, "message": n.message} for n in verdict.notices.found],
        "cost_usd": verdict.notices.cost_usd,
    }
