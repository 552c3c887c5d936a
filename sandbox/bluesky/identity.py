"""Who is who: DIDs and handles of accounts, their DID documents, and this server's own DID.

Each account has `<name>.bsky.social` (other characters than letters and digits become `-`), which
resolves whether or not the account has been seen; only `nobody.bsky.social` and foreign domains
do not. The DID depends on the name alone.
"""

from __future__ import annotations

import base64
import functools
import hashlib
import re
from typing import Any
from urllib.parse import quote, urlsplit

from sandbox.bluesky import errors
from sandbox.bluesky.books import books
from sandbox.exchange import Answer, Call
from sandbox.records import Account
from sandbox.world import Site

_DOMAIN = ".bsky.social"
_LABEL = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,38}[a-z0-9])?")
_NOBODY = "nobody"
DID = re.compile(r"did:plc:[a-z2-7]{24}")


@functools.lru_cache(maxsize=10_000)
def did_of_name(name: str) -> str:
    digest = hashlib.sha256(f"bluesky:{name}".encode()).digest()
    return "did:plc:" + base64.b32encode(digest).decode().lower()[:24]


def did_of(account: Account) -> str:
    return did_of_name(account.name)


def handle_of(account: Account) -> str:
    return re.sub(r"[^a-z0-9]", "-", account.name.lower()).strip("-") + _DOMAIN


def known_account(site: Site, did_or_handle: str) -> Account | None:
    """The account, if any call has named it before; of two with one handle the first."""
    index = books(site).accounts
    if did_or_handle not in index:
        for account in site.accounts.values():
            index.setdefault(did_of(account), account)
            index.setdefault(handle_of(account), account)
    return index.get(did_or_handle)


def account_of_identifier(site: Site, identifier: str) -> Account | None:
    """The account that signs in under a handle or DID; a handle makes it known."""
    identifier = identifier.lower()
    found = known_account(site, identifier)
    name = None if found is not None else _name_of_handle(identifier)
    return found if name is None else site.account(name)


def _name_of_handle(handle: str) -> str | None:
    label = handle.removesuffix(_DOMAIN)
    is_ours = label != handle and _LABEL.fullmatch(label) is not None
    return label if is_ours and label != _NOBODY else None


def endpoint_url(call: Call) -> str:
    """Where all the services are: the PDS of every account."""
    return f"{call.base_url}/bluesky"


def server_dids(call: Call) -> tuple[str, ...]:
    """The DIDs that mean this server: did:web with or without port and path."""
    parts = urlsplit(call.base_url)
    hosts = dict.fromkeys((parts.hostname or "", quote(parts.netloc, safe=""), parts.netloc))
    return tuple(f"did:web:{host}{path}" for host in hosts for path in ("", ":bluesky"))


def resolve_handle(call: Call) -> Answer:
    """`GET com.atproto.identity.resolveHandle?handle=`."""
    handle = call.query.get("handle", "").lower()
    if "." not in handle:
        raise errors.invalid("Error: handle must be a valid handle")
    known = known_account(call.site, handle)
    name = known.name if known is not None else _name_of_handle(handle)
    if name is None:
        raise errors.invalid("Unable to resolve handle")
    return Answer(200, {"did": did_of_name(name)})


def describe_server(call: Call) -> Answer:
    return Answer(
        200,
        {
            "did": server_dids(call)[0],
            "availableUserDomains": [_DOMAIN],
            "inviteCodeRequired": False,
            "phoneVerificationRequired": False,
            "links": {},
            "contact": {},
        },
    )


def directory(call: Call) -> Answer:
    """`GET /<did>`, as the PLC directory answers."""
    account = known_account(call.site, call.params["did"])
    if account is None:
        return Answer(404, {"message": f"DID not registered: {call.params['did']}"})
    return Answer(200, did_document(account, call))


def did_document(account: Account, call: Call) -> dict[str, Any]:
    did = did_of(account)
    return {
        "@context": ["https://www.w3.org/ns/did/v1"],
        "id": did,
        "alsoKnownAs": [f"at://{handle_of(account)}"],
        "verificationMethod": [
            {
                "id": f"{did}#atproto",
                "type": "Multikey",
                "controller": did,
                "publicKeyMultibase": "zQ3shSandboxSandboxSandboxSandboxSandboxSandboxSa",
            }
        ],
        "service": [
            {
                "id": "#atproto_pds",
                "type": "AtprotoPersonalDataServer",
                "serviceEndpoint": endpoint_url(call),
            }
        ],
    }
