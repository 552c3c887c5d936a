"""Forms: credentials for networks without consent pages, the server for those with many."""

from __future__ import annotations

from typing import cast

from django.http import Http404, HttpRequest, HttpResponse, QueryDict
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods

from accounts.access import Access
from accounts.models import Role, User
from engine.errors import ErrorCategory, ServiceError
from platforms import consents
from platforms.connecting import Outcome, settle
from platforms.models import SocialConnection
from platforms.networks import Network, network_of
from platforms.registry import UnknownPlatform
from platforms.verification import check_keys, list_targets
from web.forms import CredentialsForm, ServerForm
from web.middleware import let_forms_leave
from web.views.connecting import leave, own_connection, tell
from web.workspaces import in_workspace, show

REFUSED = frozenset(
    {ErrorCategory.AUTH_ERROR, ErrorCategory.TOKEN_EXPIRED, ErrorCategory.PERMISSION}
)


@sensitive_post_parameters()
@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
@in_workspace(Role.EDITOR)
def new_connection(request: HttpRequest, slug: str, *, access: Access) -> HttpResponse:
    """Ask for what a network without a consent page needs, or for the server to go to."""
    try:
        network = network_of(slug)
    except UnknownPlatform:
        raise Http404 from None
    if network.asks_server:
        return _ask_server(request, access, network)
    if not network.by_form:
        raise Http404
    key = request.POST.get("connection") or request.GET.get("connection")
    repaired = own_connection(access, key, platform=network.slug) if key else None
    form = CredentialsForm(network.adapter, _sent(request))
    if request.method == "POST" and form.is_valid():
        outcome = _enter(request, access, network, form, repaired)
        if outcome is not None:
            return tell(request, outcome)
    return show(
        request,
        "web/enter_credentials.html",
        access,
        network=network,
        form=form,
        connection=repaired,
        status=422 if form.errors else 200,
    )


def _sent(request: HttpRequest) -> QueryDict | None:
    return request.POST if request.method == "POST" else None


def _enter(
    request: HttpRequest,
    access: Access,
    network: Network,
    form: CredentialsForm,
    repaired: SocialConnection | None,
) -> Outcome | None:
    """Connect with what was entered; None when the form now says why not."""
    entered = form.entered()
    try:
        check_keys(network.adapter, entered)
        targets = list_targets(network.slug, entered)
        consent, _ = consents.begin(
            access.workspace, cast("User", request.user), network.slug, connection=repaired
        )
        return settle(consent, targets, required=network.adapter.required_scopes)
    except ServiceError as error:
        field = form.last_secret() if error.category in REFUSED else None
        form.add_error(field, error.detail)
        return None


def _ask_server(request: HttpRequest, access: Access, network: Network) -> HttpResponse:
    form = ServerForm(_sent(request))
    if request.method == "POST" and form.is_valid():
        backend = network.ways[0].backend
        try:
            return leave(request, access, backend, server=form.cleaned_data["server"])
        except ServiceError as error:
            form.add_error("server", error.detail)
    response = show(
        request,
        "web/choose_server.html",
        access,
        network=network,
        form=form,
        status=422 if form.errors else 200,
    )
    return let_forms_leave(response)
