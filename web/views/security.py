"""A person's own second factor: set it up, make new recovery codes, switch it off."""

from __future__ import annotations

from typing import cast

import segno
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_POST
from django_otp import login as remember_device

from accounts import second_factor
from accounts.models import User
from web.forms import CodeForm, PasswordForm


@sensitive_post_parameters()
@never_cache
@login_required
def security(request: HttpRequest) -> HttpResponse:
    """Show how the login is protected; a POST confirms a new authenticator app by its code."""
    user = cast("User", request.user)
    if second_factor.has_second_factor(user):
        left = second_factor.recovery_codes_left(user)
        return render(request, "web/security.html", {"left": left, "form": PasswordForm(user)})
    device = second_factor.begin_enrolment(user)
    form = CodeForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        try:
            codes = second_factor.confirm_enrolment(
                user, form.cleaned_data["code"], actor=f"user:{user.username}"
            )
        except second_factor.CodeRefused as refused:
            form.add_error("code", str(refused))
        else:
            device.refresh_from_db()
            remember_device(request, device)
            return render(request, "web/recovery_codes.html", {"codes": codes, "is_new": True})
    context = {
        "form": form,
        "picture": segno.make(second_factor.enrolment_address(device)).svg_data_uri(scale=5),
        "secret": _in_fours(second_factor.typed_secret(device)),
    }
    return render(request, "web/enrol.html", context)


@sensitive_post_parameters()
@require_POST
@login_required
def renew_codes(request: HttpRequest) -> HttpResponse:
    """Make new recovery codes, for whoever knows the password."""
    user = cast("User", request.user)
    form = PasswordForm(user, request.POST)
    if not second_factor.has_second_factor(user) or not form.is_valid():
        return _refused(request, user, form)
    codes = second_factor.renew_recovery_codes(user, actor=f"user:{user.username}")
    return render(request, "web/recovery_codes.html", {"codes": codes, "is_new": False})


@sensitive_post_parameters()
@require_POST
@login_required
def disable(request: HttpRequest) -> HttpResponse:
    """Switch the second factor off, for whoever knows the password."""
    user = cast("User", request.user)
    form = PasswordForm(user, request.POST)
    if not form.is_valid():
        return _refused(request, user, form)
    second_factor.disable(user, actor=f"user:{user.username}", reason="by the user")
    messages.success(request, "Your second factor is off: your password alone logs you in.")
    return redirect("web:security")


def _refused(request: HttpRequest, user: User, form: PasswordForm) -> HttpResponse:
    left = second_factor.recovery_codes_left(user)
    return render(request, "web/security.html", {"left": left, "form": form}, status=422)


def _in_fours(secret: str) -> str:
    return " ".join(secret[at : at + 4] for at in range(0, len(secret), 4))
