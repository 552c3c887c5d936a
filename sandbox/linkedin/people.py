"""Whom a token speaks for: a member, and, with the scopes for it, the organization they run.

The member `ada` runs the organization `ada-org`; tokens of either name speak for both.
"""

from __future__ import annotations

from typing import Any

from sandbox.exchange import Answer, Call
from sandbox.linkedin import errors, restli
from sandbox.records import Account

_ORGANIZATION = "-org"
PERSON = "urn:li:person:"
ORGANIZATION = "urn:li:organization:"


def member(call: Call) -> Account:
    return call.site.account(call.account.name.removesuffix(_ORGANIZATION))


def organization(call: Call) -> Account:
    return call.site.account(member(call).name + _ORGANIZATION)


def is_member(account: Account) -> bool:
    return not account.name.endswith(_ORGANIZATION)


def urn_of(account: Account) -> str:
    return (PERSON if is_member(account) else ORGANIZATION) + account.id


def need(call: Call, resource: str, *any_of: str) -> None:
    """Raise 403 unless the token has one of the scopes."""
    grant = call.grant
    if grant is not None and not any(grant.allows(scope) for scope in any_of):
        raise errors.denied(f"{resource}.{restli.version(call)}01")


def acting(call: Call, urn: Any, field: str, resource: str, *, feed: str = "") -> Account:
    """The member or organization that the caller names and may write for; raises 400 or 403."""
    if not isinstance(urn, str) or not urn.startswith((PERSON, ORGANIZATION)):
        raise errors.invalid("INVALID_URN_ID", field, f"{field}: this is no author's URN: {urn}")
    is_person = urn.startswith(PERSON)
    need(call, resource, f"w_{'member' if is_person else 'organization'}_social{feed}")
    account = member(call) if is_person else organization(call)
    if urn_of(account) != urn:
        raise errors.not_yours(field)
    return account


def userinfo(call: Call) -> Answer:
    """`GET /v2/userinfo`, without the headers of `/rest`."""
    grant = call.grant
    granted = frozenset(
        scope for scope in ("openid", "profile", "email") if grant is None or grant.allows(scope)
    )
    if "openid" not in granted:
        raise errors.denied("userinfo.GET.NO_VERSION")
    return Answer(200, claims(member(call), granted, call.base_url))


def claims(account: Account, granted: frozenset[str], base_url: str) -> dict[str, Any]:
    """What OpenID Connect tells of a member, by scope."""
    answer: dict[str, Any] = {"sub": account.id}
    if "profile" in granted:
        answer |= {
            "name": account.display_name,
            "given_name": account.display_name,
            "family_name": "Sandbox",
            "picture": f"{base_url}/_static/avatar.svg",
            "locale": {"country": "US", "language": "en"},
        }
    if "email" in granted:
        answer |= {"email": f"{account.name}@example.org", "email_verified": True}
    return answer


def organization_acls(call: Call) -> Answer:
    """`q=roleAssignee`, optionally `role` and `state`: the one organization the member runs."""
    need(
        call,
        "organizationAcls.FINDER-roleAssignee",
        "rw_organization_admin",
        "r_organization_admin",
    )
    query = call.query
    if query.get("q") != "roleAssignee":
        raise errors.invalid("ILLEGAL_ARGUMENT", "q", "Only q=roleAssignee can be asked.")
    fits = query.get("role", "ADMINISTRATOR") == "ADMINISTRATOR"
    entry = {
        "organization": urn_of(organization(call)),
        "roleAssignee": urn_of(member(call)),
        "role": "ADMINISTRATOR",
        "state": "APPROVED",
    }
    elements = [entry] if fits and query.get("state", "APPROVED") == "APPROVED" else []
    return Answer(200, {"elements": elements, "paging": paging(0, 10, len(elements))})


def read_organization(call: Call) -> Answer:
    """`GET /rest/organizations/{id}`: the name, for choosing."""
    need(call, "organizations.GET", "rw_organization_admin", "r_organization_admin")
    account = organization(call)
    if account.id != call.params["id"]:
        raise errors.refused(403, "ACCESS_DENIED", "Member does not have permission to get this")
    return Answer(
        200,
        {
            "id": int(account.id),
            "$URN": urn_of(account),
            "localizedName": account.display_name,
            "vanityName": account.name.lower(),
        },
    )


def paging(start: int, count: int, total: int | None = None) -> dict[str, Any]:
    answer: dict[str, Any] = {"start": start, "count": count, "links": []}
    return answer if total is None else answer | {"total": total}
