"""The body of `POST /2/tweets`: nothing additional, so unknown and null keys are a 400."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from sandbox.x import problems

Check = Callable[[Any], bool]


def _is_text(value: Any) -> bool:
    return isinstance(value, str)


def _is_flag(value: Any) -> bool:
    return isinstance(value, bool)


def _is_id(value: Any) -> bool:
    return isinstance(value, str) and value.isdecimal()


def _are_ids(low: int, high: int) -> Check:
    return lambda value: (
        isinstance(value, list) and low <= len(value) <= high and all(map(_is_id, value))
    )


def _is_poll(value: Any) -> bool:
    if not isinstance(value, dict) or not {"options", "duration_minutes"} <= value.keys():
        return False
    options, minutes = value["options"], value["duration_minutes"]
    are_options = isinstance(options, list) and 2 <= len(options) <= 4
    return (
        are_options
        and all(isinstance(o, str) and 1 <= len(o) <= 25 for o in options)
        and isinstance(minutes, int)
        and 5 <= minutes <= 10_080
    )


_AUDIENCES = ("following", "mentionedUsers", "subscribers", "verified")
_BODY: Mapping[str, Check | Mapping[str, Check]] = {
    "text": _is_text,
    "media": {"media_ids": _are_ids(1, 4), "tagged_user_ids": _are_ids(0, 10)},
    "reply": {
        "in_reply_to_tweet_id": _is_id,
        "exclude_reply_user_ids": _are_ids(0, 100),
        "auto_populate_reply_metadata": _is_flag,
    },
    "reply_settings": lambda value: value in _AUDIENCES,
    "made_with_ai": _is_flag,
    "paid_partnership": _is_flag,
    "nullcast": _is_flag,
    "for_super_followers_only": _is_flag,
    "share_with_followers": _is_flag,
    "community_id": _is_id,
    "direct_message_deep_link": _is_text,
    "card_uri": _is_text,
    "poll": _is_poll,
    "geo": {"place_id": _is_text},
    "edit_options": {"previous_post_id": _is_id},
    "quote_tweet_id": _is_id,
}
_REQUIRED = {"media": "media_ids", "reply": "in_reply_to_tweet_id"}


def check_body(body: Mapping[str, Any]) -> None:
    """Raise the 400 that names the first key that does not belong or does not fit."""
    for name, value in body.items():
        rule = _BODY.get(name)
        if rule is None:
            raise problems.invalid(name, value, f"The field `{name}` is not known.")
        if callable(rule):
            _check(name, value, rule)
            continue
        if not isinstance(value, dict):
            raise problems.invalid(name, value, f"The field `{name}` is not an object.")
        for inner, inner_value in value.items():
            inner_rule = rule.get(inner)
            if inner_rule is None:
                raise problems.invalid(f"{name}.{inner}", inner_value, "The field is not known.")
            _check(f"{name}.{inner}", inner_value, inner_rule)
        if name in _REQUIRED and _REQUIRED[name] not in value:
            raise problems.invalid(name, value, f"`{_REQUIRED[name]}` is required.")


def _check(name: str, value: Any, rule: Check) -> None:
    if not rule(value):
        raise problems.invalid(name, value, f"The value of `{name}` does not fit.")
