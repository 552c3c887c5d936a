"""What went wrong at a network, in sentences for people; never in the network's own words."""

from __future__ import annotations

from social_core.exceptions import AuthCanceled, SocialAuthBaseException

from platforms.backends.base import ConnectBackend

AGAIN = "Begin again with Connect."
CANCELLED = frozenset({"user_cancelled_login", "user_cancelled_authorize"})  # LinkedIn's words
SCOPES = frozenset({"invalid_scope", "invalid_scope_error", "unauthorized_scope_error"})
REFUSALS = frozenset({400, 401, 403})
SENTENCES = {
    "missing_parameter": "{name} sent an answer without what it must contain. " + AGAIN,
    "session_context_missing": "This answer of {name} belongs to nothing begun here. " + AGAIN,
    "authorization_code_rejected": (
        "{name} no longer accepts its own answer: such answers work once, and not for long. "
        + AGAIN
    ),
    "credential_rejected": "{name} refused the sign-in. " + AGAIN,
    "rate_limited": "{name} takes no more attempts at the moment. Try again in some minutes.",
    "unavailable": "{name} does not work at the moment. Try again later.",
    "timeout": "{name} did not answer in time. Try again later.",
    "connection_failed": "{name} could not be reached. Try again later.",
    "tls_error": "There is no secure connection to {name}. Ask your administrator.",
}


def sentence_of(error: SocialAuthBaseException, backend: type[ConnectBackend]) -> str:
    """Return what happened and what to do."""
    name = backend.adapter().name
    if isinstance(error, AuthCanceled) or error.provider_code in CANCELLED:
        return f"You cancelled at {name}: nothing was changed."
    if error.provider_code in SCOPES:
        return (
            f"{name} does not give this installation what it asks for. Your administrator "
            f"must look at {backend.scopes_variable()} and at what {name} has approved."
        )
    if error.code in {"invalid_setting", "missing_setting"}:
        variables = backend.variables()
        where = " and ".join(variables) if variables else "how it is registered there"
        return (
            f"{name} does not accept this installation as an application: "
            f"your administrator must look at {where}."
        )
    if error.stage == "token_exchange" and error.status_code in REFUSALS:
        return (
            f"{name} gave no access: its answer was too old by then, or it does not accept this "
            "installation as an application. Begin again; if it stays so, your administrator "
            f"must look at {' and '.join(backend.variables())}."
        )
    known = SENTENCES.get(error.code)
    if known is None:
        return (
            f"{name} answered in a way that was not understood. Try again; if it stays so, "
            "tell your administrator."
        )
    return known.format(name=name)
