"""The consent pages of all imitated networks: who may act for an account, and the code for it.

How a network plugs in
======================
1. Describe the page once, and put its two routes among the protocol's endpoints:

       CONSENT = Consent(
           network="threads", label="Threads", scopes=SCOPES, separator=",",
           locked_scopes=frozenset({"threads_basic"}), code_life_s=3600, fragment="_",
       )
       PROTOCOL = Protocol(..., endpoints=(*CONSENT.endpoints("/oauth/authorize"), ...))

   `GET` shows the page; `POST` to the same address, query included, takes the form:
   `decision=allow|cancel`, `account=<name>`, `scope=<scope>` once per ticked box. A test or a
   script may post that without looking at the page. Allow answers 302 to `redirect_uri` with
   `code` and `state`, Cancel with `denial` and `state`.

2. At the token endpoint check the client's secret, then redeem the code and issue tokens:

       try:
           family = call.site.codes.redeem(
               form["code"], client_id=..., redirect_uri=form["redirect_uri"],
               verifier=form.get("code_verifier", ""),
           )
       except CodeRefused as refused:          # refused.reason: see sandbox/codes.py
           ...the network's own error body...
       pair = call.site.tokens.issue(family, Terms(access_life_s=3600, has_refresh=False))

   `family.scopes` is what was granted, `family.name` the account, `family.request` the parameters
   of the authorization request (`access_type`, `prompt`, ...), `family.is_first` whether this
   account had not agreed to this client before. A code that is used twice burns the tokens it
   brought. Secrets: `call.world.clients.accepts(id, secret)`, `.is_public(id)`,
   `call.basic_credentials`.

3. In `authenticate` set `call.grant = call.site.tokens.grant(token)`, and give endpoints
   `scopes=(...)`; `Protocol.scope_missing(call, missing)` is the network's answer when one lacks.
   A handler whose need depends on the body asks `call.grant is None or call.grant.allows("...")`.
   `demo-<name>` may do everything.

4. `tokens.exchange(token, life_s=..., name=..., kind=...)`: long-lived tokens, and tokens that
   speak for another account (a page). `tokens.refresh(token, terms, client_id=...)`: as `Terms`
   say, rotating or not, with an end or without. `tokens.revoked.add(token)` kills one token,
   `tokens.burn(token)` its whole consent, `tokens.burn_all(name, client_id)` all of the client's.

What is checked before the page shows: `response_type=code`, a client the world knows (or the
network's own `client_problem`), an absolute `redirect_uri` (any, but the token endpoint must name
it to the letter), known scopes, and PKCE as the network wants it. Trouble with client or redirect
is an HTML page with 400; the rest goes back to the redirect as `error`, or is a page too where
`errors_on_page` says that the network does so.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from urllib.parse import urlencode, urlsplit

from sandbox import consent_page
from sandbox.door import Endpoint, Handler
from sandbox.exchange import Answer, Call, Refusal, redirect
from sandbox.rates import Allowance
from sandbox.tokens import NAME, Family

DEFAULT_ACCOUNT = "ada"
BAD_NAME = "Give 1 to 40 letters, digits, dots, dashes or underscores."
_PATIENCE = Allowance(10_000, 60)
_RUNS_CODE = frozenset({"javascript", "data", "vbscript", "file", "blob", "about"})
_SPACE = re.compile(r"[\x00-\x20\x7f]")


def _no_extras(_call: Call, _family: Family) -> dict[str, str]:
    return {}


def _known_client(call: Call, client_id: str, _redirect_uri: str) -> str:
    return "" if call.world.clients.knows(client_id) else f"There is no client {client_id}."


def consent_endpoints(path: str, ask: Handler, decide: Handler) -> tuple[Endpoint, Endpoint]:
    """Return the routes of a page and of its form, for those who bring handlers of their own."""
    return (
        Endpoint("GET", path, "consent", ask, _PATIENCE, "consent", signed_in=False),
        Endpoint("POST", path, "consent", decide, _PATIENCE, "consent", signed_in=False),
    )


@dataclass(frozen=True)
class Consent:
    """One network's way to ask.

    `scopes`: scope -> what it lets the client do, in words; others are refused, unless it is empty.
    `default_scopes`: asked when the request names none; without them that is an error.
    `locked_scopes`: cannot be unticked; `may_untick` False locks them all.
    `pkce`: "none" (its parameters are ignored), "optional" or "required"; `pkce_methods`: what
    the request may name. `pkce_hex`: the challenge is spelt in hex.
    `denial`: what Cancel sends, beside `state`.
    `extras`: more parameters of a success. `fragment`: what the network hangs on after `#`.
    `copied_redirect`: the redirect that means "show the code, the person copies it".
    `scope_error`: the error code of an unknown scope.
    `client_problem`, `scope_problem`: what the network has against them in words, "" = nothing.
    """

    network: str
    label: str
    scopes: Mapping[str, str] = field(default_factory=dict)
    default_scopes: tuple[str, ...] = ()
    locked_scopes: frozenset[str] = frozenset()
    may_untick: bool = True
    separator: str = " "
    client_parameter: str = "client_id"
    needs_state: bool = False
    pkce: str = "none"
    pkce_methods: tuple[str, ...] = ("S256", "plain")
    pkce_hex: bool = False
    code_life_s: float = 600.0
    denial: Mapping[str, str] = field(default_factory=lambda: {"error": "access_denied"})
    extras: Callable[[Call, Family], dict[str, str]] = _no_extras
    fragment: str = ""
    copied_redirect: str = ""
    scope_error: str = "invalid_scope"
    errors_on_page: bool = False
    client_problem: Callable[[Call, str, str], str] = _known_client  # client, redirect
    client_name: Callable[[Call, str], str] = lambda _call, client_id: client_id
    scope_problem: Callable[[Call, str, Sequence[str]], str] = lambda _call, _client, _scopes: ""

    def endpoints(self, path: str) -> tuple[Endpoint, Endpoint]:
        """Return the routes of the page and of its form."""
        return consent_endpoints(path, self.ask, self.decide)

    def ask(self, call: Call) -> Answer:
        """Show the page, or say what is wrong with the request."""
        request = self._read(call)
        account = call.query.get("login_hint", "")
        return self._page(request, account if NAME.fullmatch(account) else DEFAULT_ACCOUNT)

    def decide(self, call: Call) -> Answer:
        """Go back to the client with a code, or without."""
        request = self._read(call)
        form = call.form()
        fields = dict(form)
        if fields.get("decision") != "allow":
            return self._back(request, dict(self.denial))
        name = fields.get("account", "").strip()
        ticked = [value for key, value in form if key == "scope"]
        if not NAME.fullmatch(name):
            return self._page(request, name, ticked=ticked, problem=BAD_NAME)
        locked = request.scopes if not self.may_untick else self.locked_scopes
        granted = [s for s in request.scopes if s in ticked or s in locked]
        call.site.account(name)
        family = call.site.tokens.consent(name, request.client_id, granted, call.query)
        code = call.site.codes.issue(
            family,
            redirect_uri=request.redirect_uri,
            life_s=self.code_life_s,
            challenge=request.challenge,
            method=f"{request.method}-hex" if self.pkce_hex else request.method,
        )
        if request.redirect_uri == self.copied_redirect:
            return consent_page.show(self.network, self.label, "Your authorization code", code)
        success = {"code": code, **self.extras(call, family)}
        return self._back(request, success, fragment=self.fragment)

    def _read(self, call: Call) -> _Request:
        """Return the checked authorization request; raises Refusal."""
        query = call.query
        client_id = query.get(self.client_parameter, "")
        redirect_uri = query.get("redirect_uri", "")
        problem = (
            self.client_problem(call, client_id, redirect_uri)
            if client_id
            else f"The request has no {self.client_parameter}."
        ) or self._redirect_problem(redirect_uri)
        if problem:
            raise Refusal(consent_page.problem(self.network, self.label, problem))
        request = _Request(
            client_id,
            self.client_name(call, client_id),
            redirect_uri,
            query.get("state", ""),
            self._asked_scopes(query.get("scope", "")),
            "" if self.pkce == "none" else query.get("code_challenge", ""),
            query.get("code_challenge_method", "plain"),
        )
        if error := self._problem(call, request):
            code, description = error
            if self.errors_on_page:
                raise Refusal(consent_page.problem(self.network, self.label, description))
            raise Refusal(self._back(request, {"error": code, "error_description": description}))
        return request

    def _redirect_problem(self, redirect_uri: str) -> str:
        if redirect_uri and redirect_uri == self.copied_redirect:
            return ""
        return redirect_problem(redirect_uri)

    def _asked_scopes(self, text: str) -> tuple[str, ...]:
        other = "," if self.separator == " " else " "
        parts = text.replace(other, self.separator).split(self.separator)
        return tuple(dict.fromkeys(part for part in parts if part)) or self.default_scopes

    def _problem(self, call: Call, request: _Request) -> tuple[str, str] | None:
        """Return the error code and its description, None when all is well."""
        if call.query.get("response_type") != "code":
            return "unsupported_response_type", "The response_type must be code."
        if self.needs_state and not request.state:
            return "invalid_request", "The parameter state is missing."
        if not request.scopes:
            return self.scope_error, "The request names no scope."
        unknown = [s for s in request.scopes if self.scopes and s not in self.scopes]
        if unknown:
            return self.scope_error, f"Unknown scope: {', '.join(unknown)}."
        if problem := self.scope_problem(call, request.client_id, request.scopes):
            return self.scope_error, problem
        if self.pkce == "required" and not request.challenge:
            return "invalid_request", "The parameter code_challenge is missing."
        if request.challenge and request.method not in self.pkce_methods:
            known = " or ".join(self.pkce_methods)
            return "invalid_request", f"The code_challenge_method must be {known}."
        return None

    def _page(
        self,
        request: _Request,
        account: str,
        *,
        ticked: list[str] | None = None,
        problem: str = "",
    ) -> Answer:
        boxes = [
            consent_page.Box(
                scope,
                self.scopes.get(scope, ""),
                is_ticked=ticked is None or scope in ticked,
                is_locked=not self.may_untick or scope in self.locked_scopes,
            )
            for scope in request.scopes
        ]
        return consent_page.ask(
            self.network,
            self.label,
            client=request.client_name,
            redirect_uri=request.redirect_uri,
            account=account,
            boxes=boxes,
            problem=problem,
        )

    def _back(self, request: _Request, parameters: dict[str, str], *, fragment: str = "") -> Answer:
        if request.redirect_uri == self.copied_redirect:
            text = parameters.get("error_description", parameters["error"])
            return consent_page.problem(self.network, self.label, text)
        if request.state:
            parameters["state"] = request.state
        return redirect(with_parameters(request.redirect_uri, parameters, fragment))


@dataclass(frozen=True)
class _Request:
    client_id: str
    client_name: str
    redirect_uri: str
    state: str
    scopes: tuple[str, ...]
    challenge: str
    method: str


def with_parameters(url: str, parameters: Mapping[str, str], fragment: str = "") -> str:
    """Return the address with more query parameters, and a fragment."""
    joined = url + ("&" if "?" in url else "?") + urlencode(parameters)
    return f"{joined}#{fragment}" if fragment else joined


def redirect_problem(redirect_uri: str) -> str:
    """Say what is wrong with the address; "" when it will do."""
    if not redirect_uri:
        return "The request has no redirect_uri."
    try:
        parts = urlsplit(redirect_uri)
    except ValueError:
        return "The redirect_uri cannot be read."
    is_web = parts.scheme in ("http", "https")
    if (
        not parts.scheme
        or parts.scheme.lower() in _RUNS_CODE
        or (is_web and not parts.hostname)
        or "#" in redirect_uri
        or _SPACE.search(redirect_uri)
    ):
        return "The redirect_uri must be an absolute address without a fragment."
    return ""
