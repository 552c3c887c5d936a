"""Logging in: the password, then the code where the account has a second factor."""

from __future__ import annotations

from typing import Any, cast
from urllib.parse import urlencode

from django.conf import settings
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.contrib.auth.forms import AuthenticationForm
from django.contrib.auth.views import LoginView
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters
from django_otp import login as remember_device

from accounts import second_factor
from accounts.addresses import client_address
from accounts.audit import record
from accounts.models import User
from web.forms import CodeForm


class LoginPage(LoginView):
    """The password; whoever has a second factor is asked for it next, see `web.second_factor`."""

    template_name = "web/login.html"
    redirect_authenticated_user = True

    def form_valid(self, form: AuthenticationForm) -> HttpResponse:
        """Log them in, and note it."""
        response = super().form_valid(form)
        _note(self.request, "login.succeeded", f"user:{form.get_user().get_username()}")
        return response


@sensitive_post_parameters()
@never_cache
@login_required
def code(request: HttpRequest) -> HttpResponse:
    """Ask for the second factor's code; right after the password, on the way to `next`."""
    user = cast("User", request.user)
    onward = _onward(request)
    if user.is_verified() or not second_factor.has_second_factor(user):  # type: ignore[attr-defined]
        return redirect(onward)
    form = CodeForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        try:
            device = second_factor.verify(user, form.cleaned_data["code"])
        except second_factor.CodeRefused as refused:
            form.add_error("code", str(refused))
        else:
            remember_device(request, device)
            _warn_when_codes_run_out(request, user)
            return redirect(onward)
    return render(request, "web/code.html", {"form": form, "next": onward})


def staff_login(request: HttpRequest) -> HttpResponse:
    """Send staff to the one login there is (in place of the admin's own page)."""
    if request.user.is_authenticated:
        raise PermissionDenied("The staff console is for staff: this login is not marked as such.")
    query = urlencode({"next": request.GET.get("next") or reverse("admin:index")})
    return redirect(f"{reverse('web:login')}?{query}")


def locked_out(
    request: HttpRequest, _response: HttpResponse, _credentials: dict[str, Any] | None = None
) -> HttpResponse:
    """Say that too many wrong passwords came in, whether or not there is such a login (429)."""
    _note(request, "login.locked_out", "login")
    minutes = round(settings.LOGIN_PAUSE.total_seconds() / 60)
    form = AuthenticationForm(request)
    context = {"form": form, "next": "", "locked_minutes": minutes}
    response = render(request, "web/login.html", context, status=429)
    response["Retry-After"] = str(int(settings.LOGIN_PAUSE.total_seconds()))
    return response


def _note(request: HttpRequest, action: str, actor: str) -> None:
    address = client_address(request)
    record(actor=actor, action=action, target=f"address:{address}"[:255])


def _onward(request: HttpRequest) -> str:
    target = request.POST.get("next") or request.GET.get("next") or ""
    if url_has_allowed_host_and_scheme(
        target, allowed_hosts={request.get_host()}, require_https=request.is_secure()
    ):
        return target
    return reverse("web:home")


def _warn_when_codes_run_out(request: HttpRequest, user: User) -> None:
    left = second_factor.recovery_codes_left(user)
    if left <= 3:
        text = f"You have {left} recovery codes left: make new ones under Security."
        messages.warning(request, text)
