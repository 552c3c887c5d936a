"""What a person hears of, how and when: the choices, quiet hours, number, address, Slack."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, cast

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods, require_POST

from accounts.access import Access
from accounts.models import User
from notifications import contacts, preferences
from notifications.catalog import PERSONAL
from notifications.channels import make_senders
from notifications.models import Channel, Device, Mode, Reader, SlackPlace
from notifications.preferences import MODES, PreferenceError, Row
from notifications.targets import look_up
from web.notification_forms import ZONES, HoursForm
from web.workspaces import current_access, show

PREFIX = "mode"
CONFIRMED = {"sms": "number", "email": "address"}  # what a code is sent to


@dataclass(frozen=True, slots=True)
class Cell:
    """One choice: an event and a channel. `name` is the form field's."""

    name: str
    label: str
    channel: str
    mode: str
    options: tuple[Mode, ...]


@dataclass(frozen=True, slots=True)
class Column:
    """One channel; `lack` says why nothing comes through it yet, "" when it does."""

    label: str
    lack: str


@never_cache
@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def settings_page(request: HttpRequest) -> HttpResponse:
    """Show everything; a POST keeps the choices of the chosen workspace."""
    user, access = _who(request)
    workspace = access.workspace if access else None
    if request.method == "POST":
        try:
            changed = preferences.choose(user, workspace, _wanted(request))
        except PreferenceError as error:
            messages.error(request, str(error))
        else:
            messages.success(request, "Your choices are kept." if changed else "Nothing changed.")
        return redirect("web:notifications")
    return _page(request, user, access)


@never_cache
@login_required
@require_POST
def hours(request: HttpRequest) -> HttpResponse:
    """Keep the zone and the quiet hours."""
    user, access = _who(request)
    form = HoursForm(request.POST)
    if form.is_valid():
        try:
            preferences.set_hours(user, **form.hours())
        except PreferenceError as error:
            form.add_error(error.field or None, str(error))
        else:
            messages.success(request, "Your hours are kept.")
            return redirect("web:notifications")
    return _page(request, user, access, hours_form=form, status=422)


@never_cache
@login_required
@require_POST
def slack(request: HttpRequest) -> HttpResponse:
    """Keep where in Slack the person hears of the chosen workspace."""
    user, access = _who(request)
    if access is None:
        raise Http404
    return _kept(
        request,
        lambda: preferences.set_slack_place(
            user, access.workspace, request.POST.get("slack", "")[:200]
        ),
        "Your place in Slack is kept.",
    )


@never_cache
@login_required
@require_POST
def ask_for_code(request: HttpRequest, channel: str) -> HttpResponse:
    """Send a code to a number or an address."""
    user, _ = _who(request)
    target = request.POST.get("target", "")[:254]
    return _kept(
        request,
        lambda: contacts.ask_for_code(user, channel=_confirmable(channel), target=target),
        "A code is on its way. It is good for 10 minutes.",
    )


@sensitive_post_parameters()
@never_cache
@login_required
@require_POST
def confirm_code(request: HttpRequest, channel: str) -> HttpResponse:
    """Use the number or address from now on, if the code is right."""
    user, _ = _who(request)
    code = request.POST.get("code", "")[:20]
    return _kept(
        request,
        lambda: contacts.confirm(user, channel=_confirmable(channel), code=code),
        f"Your {CONFIRMED[_confirmable(channel)]} is confirmed.",
    )


@never_cache
@login_required
@require_POST
def forget_contact(request: HttpRequest, channel: str) -> HttpResponse:
    """Use the number or address no more."""
    user, _ = _who(request)
    contacts.forget(user, _confirmable(channel))
    messages.success(request, f"Your {CONFIRMED[channel]} is forgotten.")
    return redirect("web:notifications")


def _who(request: HttpRequest) -> tuple[User, Access | None]:
    return cast("User", request.user), current_access(request)


def _confirmable(channel: str) -> str:
    if channel not in CONFIRMED:
        raise Http404
    return channel


def _kept(request: HttpRequest, act: Callable[[], object], done: str) -> HttpResponse:
    try:
        act()
    except (PreferenceError, contacts.ContactError) as error:
        messages.error(request, str(error))
    else:
        messages.success(request, done)
    return redirect("web:notifications")


def _wanted(request: HttpRequest) -> dict[preferences.Choice, str]:
    """Return the choices of a submitted form: its fields are called mode|event|channel."""
    found = {}
    for name, value in request.POST.items():
        kind, _, rest = name.partition("|")
        event, _, channel = rest.partition("|")
        if kind == PREFIX:
            found[event, channel] = str(value)
    return found


def _page(
    request: HttpRequest,
    user: User,
    access: Access | None,
    *,
    hours_form: HoursForm | None = None,
    status: int = 200,
) -> HttpResponse:
    workspace = access.workspace if access else None
    reader = preferences.reader_of(user)
    address = reader.email if reader.email_verified_at else user.email
    zone = workspace.time_zone if workspace else "UTC"
    place = SlackPlace.objects.filter(user=user, workspace=workspace).first() if workspace else None
    context: dict[str, Any] = {
        "columns": _columns(user, reader, address, place),
        "rows": [
            {"event": row.event, "cells": _cells(row)}
            for row in preferences.choices_of(user, workspace)
        ],
        "hours_form": hours_form or HoursForm.of(reader, zone),
        "zones": ZONES,
        "reader": reader,
        "address": address,
        "stopped": look_up([("email", address)])["email", address].refusal if address else "",
        "phone_code": contacts.waiting_code(user, Channel.SMS),
        "email_code": contacts.waiting_code(user, Channel.EMAIL),
        "slack_place": place.target if place else "",
    }
    return show(request, "web/notifications.html", access, status=status, **context)


def _cells(row: Row) -> list[Cell]:
    return [
        Cell(
            name=f"{PREFIX}|{row.event.name}|{channel.value}",
            label=f"{row.event.label}: {channel.label}",
            channel=channel.label,
            mode=row.modes[channel],
            options=MODES[channel],
        )
        for channel in PERSONAL
    ]


def _columns(user: User, reader: Reader, address: str, place: SlackPlace | None) -> list[Column]:
    has_device = Device.objects.filter(user=user, disabled_at=None).exists()
    own = {
        Channel.EMAIL: "" if address else "no address yet",
        Channel.SMS: "" if reader.phone_verified_at else "no confirmed number yet",
        Channel.PUSH: "" if has_device else "no device yet",
        Channel.SLACK: "" if place else "no place chosen yet",
    }
    senders = make_senders()  # they open nothing before they send
    return [
        Column(
            channel.label,
            "not set up here" if senders[channel].missing() else own[channel],
        )
        for channel in PERSONAL
    ]
