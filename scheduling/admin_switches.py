"""One page with every switch: everything, each platform, workspaces, and the worker hosts.

Each switch asks for a reason first; what is shown is read afresh with every look.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import Count, Sum
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils import timezone

from accounts.models import Workspace
from engine import rights, slots
from engine.admin_actions import ReasonForm, actor_of
from engine.admin_lists import CappedAdmin, ShownOnly
from engine.models import Installation, Pause
from engine.states import IllegalTransition
from platforms.models import SocialConnection
from platforms.registry import ADAPTERS
from scheduling import pauses

Scope = Pause.Scope
RIGHT = {
    Scope.PLATFORM: rights.PAUSE_PLATFORM,
    Scope.WORKSPACE: rights.PAUSE_WORKSPACE,
    Scope.HOST: rights.DRAIN,
}
STOPS = {
    Scope.PLATFORM: (
        "Nothing is sent to it, and it is asked about nothing, for any workspace, until somebody "
        "resumes it. Calls that are under way run to their end."
    ),
    Scope.WORKSPACE: (
        "Nothing of this workspace is sent, on any platform, until somebody resumes it. Calls that "
        "are under way run to their end."
    ),
    Scope.HOST: (
        "Its slots give back what is unsent, finish what has begun, and take on nothing more until "
        "somebody starts them again. Other hosts go on; with all hosts drained nothing is sent."
    ),
}
GOES_ON = {
    Scope.PLATFORM: "Its posts go out again, what is overdue at once, by their late policies.",
    Scope.WORKSPACE: "Its posts go out again, what is overdue at once, by their late policies.",
    Scope.HOST: "Its slots take on work again within a second.",
}
VERBS = {  # (stop, go on)
    Scope.PLATFORM: ("Pause", "Resume"),
    Scope.WORKSPACE: ("Pause", "Resume"),
    Scope.HOST: ("Drain", "Start"),
}


class StopForm(ReasonForm):
    reason = forms.CharField(
        max_length=255,
        widget=forms.Textarea(attrs={"rows": 2}),
        help_text="Shown with every post that waits, to staff and over the API; kept in the audit "
        "log, with your name.",
    )


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the board: what it is, how it is, and the switch, if this person may use it."""

    name: str
    about: str
    stopped: str  # a sentence, "" while it works
    label: str = ""
    url: str = ""


@admin.register(Pause)
class PauseAdmin(ShownOnly, CappedAdmin):
    """The board takes the place of a list."""

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view(self.switch_view)
        return [
            path("switch/<slug:way>/", view, name="engine_pause_switch"),
            *super().get_urls(),
        ]

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Show the board."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        now = timezone.now()
        stopped = {(p.scope, p.key): pauses.sentence(p, now) for p in Pause.objects.all()}
        here = Installation.objects.get_or_create(pk=1)[0]
        context = {
            **self.admin_site.each_context(request),
            "title": "Switches",
            "opts": self.opts,
            "everything": pauses.present(now=now).everything,
            "main_switch": reverse(
                "admin:engine_installation_act", args=["resume" if here.paused else "pause"]
            )
            + f"?ids=1&back={reverse('admin:engine_pause_changelist')}",
            "may_pause_everything": request.user.has_perm(rights.PAUSE_EVERYTHING),
            "may_pause_workspaces": request.user.has_perm(rights.PAUSE_WORKSPACE),
            "stop_url": reverse("admin:engine_pause_switch", args=["stop"]),
            "platforms": _platforms(request, stopped),
            "workspaces": _workspaces(request, stopped),
            "hosts": _hosts(request, stopped),
        }
        return TemplateResponse(request, "admin/console/switches.html", context)

    def switch_view(self, request: HttpRequest, way: str) -> HttpResponse:
        """Ask for a reason (GET), or turn one switch (POST): `way` is stop or go."""
        given = request.POST or request.GET
        if given.get("scope") not in Scope.values or way not in {"stop", "go"}:
            raise Http404
        scope, key = Scope(given["scope"]), given.get("key", "").replace("\x00", "").strip()
        if not request.user.has_perm(RIGHT[scope]):
            raise PermissionDenied
        try:
            key = pauses.known(scope, key)[0] if way == "stop" else key
        except pauses.UnknownKey as unknown:
            self.message_user(request, str(unknown), messages.ERROR)
            return HttpResponseRedirect(reverse("admin:engine_pause_changelist"))
        form_class = StopForm if way == "stop" else ReasonForm
        form = form_class(request.POST or None)
        if request.method == "POST" and form.is_valid():
            self._turn(request, way, scope, key, form.cleaned_data["reason"])
            return HttpResponseRedirect(reverse("admin:engine_pause_changelist"))
        verb = VERBS[scope][way == "go"]
        context = {
            **self.admin_site.each_context(request),
            "title": f"{verb}: {pauses.name_of(scope, key)}",
            "verb": verb,
            "opts": self.opts,
            "consequence": STOPS[scope] if way == "stop" else GOES_ON[scope],
            "scope": scope.value,
            "key": key,
            "form": form,
            "stops": way == "stop",
        }
        return TemplateResponse(request, "admin/console/switch.html", context)

    def _turn(
        self, request: HttpRequest, way: str, scope: Pause.Scope, key: str, reason: str
    ) -> None:
        turn = pauses.pause if way == "stop" else pauses.resume
        try:
            turn(scope, key, actor=actor_of(request), reason=reason)
        except IllegalTransition as refused:
            self.message_user(request, str(refused), messages.ERROR)
            return
        done = {"stop": "is drained" if scope == Scope.HOST else "is paused", "go": "goes on"}[way]
        self.message_user(request, f"{pauses.name_of(scope, key)} {done}.")


def _row(request: HttpRequest, scope: Pause.Scope, key: str, *, about: str, stopped: str) -> Row:
    name = pauses.name_of(scope, key)
    if not request.user.has_perm(RIGHT[scope]):
        return Row(name, about, stopped)
    way = "go" if stopped else "stop"
    address = reverse("admin:engine_pause_switch", args=[way])
    query = {"scope": scope.value, "key": key}
    return Row(name, about, stopped, VERBS[scope][bool(stopped)], f"{address}?{urlencode(query)}")


def _platforms(request: HttpRequest, stopped: dict[tuple[str, str], str]) -> list[Row]:
    """Return the platforms that have accounts, or are paused."""
    counted = SocialConnection.objects.values_list("platform").annotate(Count("pk")).order_by()
    accounts = dict(counted)
    return [
        _row(
            request,
            Scope.PLATFORM,
            slug,
            about=f"{accounts.get(slug, 0)} account{'s' * (accounts.get(slug, 0) != 1)}",
            stopped=stopped.get((Scope.PLATFORM, slug), ""),
        )
        for slug in ADAPTERS
        if slug in accounts or (Scope.PLATFORM, slug) in stopped
    ]


def _workspaces(request: HttpRequest, stopped: dict[tuple[str, str], str]) -> list[Row]:
    """Return the paused workspaces; the others are named in the form."""
    keys = [key for scope, key in stopped if scope == Scope.WORKSPACE]
    names = {
        str(pk): name
        for pk, name in Workspace.objects.filter(pk__in=keys).values_list("pk", "name")
    }
    return [
        _row(
            request,
            Scope.WORKSPACE,
            key,
            about=names.get(key, ""),
            stopped=stopped[Scope.WORKSPACE, key],
        )
        for key in keys
    ]


def _hosts(request: HttpRequest, stopped: dict[tuple[str, str], str]) -> list[Row]:
    """Return every host on which a worker is alive or that is drained, and all of them at once."""
    found: dict[str, tuple[int, int]] = {}
    running: Counter[str] = Counter()
    for kind in (slots.CLUSTER, "publish", "notify"):
        fresh = slots.fresh(kind).values("host").order_by()
        for host, count, in_flight, claimed in fresh.annotate(
            n=Count("pk"), busy=Sum("in_flight"), held=Sum("claimed")
        ).values_list("host", "n", "busy", "held"):
            if kind != slots.CLUSTER:
                running[host] += count
            busy, held = found.get(host, (0, 0))
            found[host] = (busy + in_flight, held + claimed)
    drained = [key for scope, key in stopped if scope == Scope.HOST and key != Pause.ALL_HOSTS]
    hosts = sorted({*found, *drained})
    rows = [
        _row(
            request,
            Scope.HOST,
            host,
            about=_host_words(running[host], *found.get(host, (0, 0))),
            stopped=stopped.get((Scope.HOST, host), ""),
        )
        for host in hosts
    ]
    everywhere = stopped.get((Scope.HOST, Pause.ALL_HOSTS), "")
    about = f"{len(hosts)} host{'s' * (len(hosts) != 1)}"
    return [_row(request, Scope.HOST, Pause.ALL_HOSTS, about=about, stopped=everywhere), *rows]


def _host_words(running: int, in_flight: int, claimed: int) -> str:
    if not running:
        return "no slot is running"
    slots_ = f"{running} slot{'s' * (running != 1)}"
    return f"{slots_}, {in_flight} in flight, {claimed} claimed"
