"""To a network and back: Connect is pressed, the network asks, its answer becomes accounts."""

from __future__ import annotations

import logging
import uuid
from typing import cast
from urllib.parse import urlsplit

from django.conf import settings
from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.urls import reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_POST
from social_core.exceptions import SocialAuthBaseException
from social_django.models import DjangoStorage

from accounts.access import Access
from accounts.models import Role, User
from engine.errors import ServiceError
from platforms import consents, mastodon_apps
from platforms.backends import BACKENDS
from platforms.backends.base import ConnectBackend, Strategy
from platforms.backends.errors import sentence_of
from platforms.connecting import Outcome
from platforms.consents import ConsentRefused
from platforms.models import ConnectionState, SocialConnection
from platforms.registry import adapter_for
from web.workspaces import CHOSEN, in_workspace

log = logging.getLogger("carillon.connections")


@never_cache
@require_POST
@in_workspace(Role.EDITOR)
def begin(request: HttpRequest, backend: str, *, access: Access) -> HttpResponse:
    """Send somebody to a network; `connection` is the account to repair, if it is about one."""
    backend_class = BACKENDS.get(backend)
    if backend_class is None:
        raise Http404
    repaired = None
    if key := request.POST.get("connection"):
        repaired = own_connection(access, key, platform=backend_class.platform)
    server = repaired.instance_url if repaired else request.POST.get("server", "")
    if backend_class.adapter().user_given_host() and not server:
        return redirect("web:new_connection", backend_class.platform)
    try:
        return leave(request, access, backend_class, repaired=repaired, server=server)
    except ServiceError as error:
        messages.error(request, error.detail)
        return redirect("web:connections")


def leave(
    request: HttpRequest,
    access: Access,
    backend_class: type[ConnectBackend],
    *,
    repaired: SocialConnection | None = None,
    server: str = "",
) -> HttpResponse:
    """Begin a consent and return the way to the network; raises ServiceError (a bad server)."""
    name = backend_class.adapter().name
    if missing := backend_class.unset_variables():
        messages.error(
            request,
            f"{name} is not set up here: your administrator must set {' and '.join(missing)}.",
        )
        return redirect("web:connections")
    if problem := _wrong_door(request, backend_class):
        messages.error(request, problem)
        return redirect("web:connections")
    kept = {}
    if backend_class.adapter().user_given_host():
        kept["server"] = mastodon_apps.server_address(server)
        mastodon_apps.ensure_app(
            kept["server"], backend_class.redirect_address(), backend_class.scopes()
        )
    consent, state = consents.begin(
        access.workspace,
        cast("User", request.user),
        backend_class.platform,
        backend=backend_class.name,
        connection=repaired,
    )
    if kept:
        consents.remember(consent, **kept)
    try:
        return _instance(request, backend_class).begin(consent, state)
    except SocialAuthBaseException as error:  # X asks for a request token first
        _note(error, backend_class)
        messages.error(request, sentence_of(error, backend_class))
        return redirect("web:connections")


@never_cache
@require_GET
def complete(request: HttpRequest, backend: str) -> HttpResponse:
    """Take a network's answer. Whatever goes wrong is one sentence on the list of accounts."""
    backend_class = BACKENDS.get(backend)
    if backend_class is None:
        raise Http404
    if not request.user.is_authenticated:
        messages.error(
            request, "You were logged out in the meantime. Log in and begin again with Connect."
        )
        return redirect(f"{reverse('web:login')}?next={reverse('web:connections')}")
    instance = _instance(request, backend_class)
    problem = ""
    try:
        outcome = instance.answered(request.user)
    except ConsentRefused as error:
        problem = str(error)
    except ServiceError as error:
        problem = error.detail
        log.warning(
            "connection.refused",
            extra={"platform": backend_class.platform, "category": error.category},
        )
    except SocialAuthBaseException as error:
        _note(error, backend_class)
        problem = sentence_of(error, backend_class)
    consent = getattr(instance, "consent", None)
    if consent is not None:
        request.session[CHOSEN] = str(consent.workspace_id)  # where it began
    if problem:
        if consent is not None:
            consents.close(consent)
        messages.error(request, problem)
        return _at_main(redirect("web:connections"))
    return _at_main(tell(request, outcome))


def tell(request: HttpRequest, outcome: Outcome) -> HttpResponse:
    """Say what became of a consent and lead on: to the list, or to the choice."""
    for connection in outcome.connected:
        name = called(connection)
        said = "is connected" if connection.version == 1 else "is connected again"
        if connection.state == ConnectionState.NEEDS_RECONNECT:
            messages.warning(request, f"{name} {said}, but: {connection.state_reason}")
        else:
            messages.success(request, f"{name} {said}.")
    if outcome.missed is not None:
        missed = called(outcome.missed)
        if outcome.connected:
            names = " and ".join(map(called, outcome.connected))
            messages.warning(
                request,
                f"You signed in as another account: {names} is kept beside {missed}, "
                f"which is as it was. To repair {missed}, sign in there as that account.",
            )
        else:
            messages.warning(request, f"{missed} is not among these accounts.")
    if outcome.to_choose is not None:
        return redirect("web:choose", outcome.to_choose.pk)
    return redirect("web:connections")


def _at_main(response: HttpResponse) -> HttpResponse:
    """Put our own fragment in the place of the "#_=_" that Meta hangs on, which browsers keep."""
    response["Location"] += "#main"
    return response


def called(connection: SocialConnection) -> str:
    """Return what people call an account: "ada (X)"."""
    name = connection.username or connection.display_name or connection.external_id
    return f"{name} ({adapter_for(connection.platform).name})"


def own_connection(access: Access, key: object, **conditions: str) -> SocialConnection:
    """Return a connection of the workspace; raises Http404."""
    try:
        pk = uuid.UUID(str(key))
    except ValueError:
        raise Http404 from None
    rows = SocialConnection.objects.filter(workspace=access.workspace, **conditions)
    return get_object_or_404(rows, pk=pk)


def _instance(request: HttpRequest, backend_class: type[ConnectBackend]) -> ConnectBackend:
    strategy = Strategy(DjangoStorage, request)
    return backend_class(strategy, backend_class.redirect_address())


def _wrong_door(request: HttpRequest, backend_class: type[ConnectBackend]) -> str:
    """Return why people would not come back to this session: the network knows another address."""
    home = urlsplit(backend_class.redirect_address())
    usual_port = ":443" if home.scheme == "https" else ":80"
    if home.netloc.removesuffix(usual_port) == request.get_host().removesuffix(usual_port):
        return ""
    return (
        f"Networks send people back to {home.scheme}://{home.netloc}, where you are not logged "
        f"in. Open {settings.PUBLIC_URL}{reverse('web:connections')} and connect there."
    )


def _note(error: SocialAuthBaseException, backend_class: type[ConnectBackend]) -> None:
    log.warning(
        "connection.refused",
        extra={
            "platform": backend_class.platform,
            "backend": backend_class.name,
            "code": error.code,
            "stage": error.stage,
            "http_status": error.status_code or 0,
        },
    )
