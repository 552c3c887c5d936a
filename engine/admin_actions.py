"""Admin actions that first show what will happen, ask for a reason, then report row by row.

One page serves the list's actions and the buttons of a single object's page.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar

from django import forms
from django.contrib import messages
from django.core.exceptions import ObjectDoesNotExist, PermissionDenied, ValidationError
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.http import url_has_allowed_host_and_scheme

from engine.admin_lists import MOST
from engine.admin_types import AnyModelAdmin
from engine.states import IllegalTransition

LISTED = 100  # rows spelled out on a confirmation page


class Refused(Exception):
    """One row was not changed; the message is a short reason that groups well."""


class Proposed(Exception):
    """Nothing was done to the row yet: a second person has to confirm it."""


class ReasonForm(forms.Form):
    """What every action asks; actions that need more subclass it."""

    reason = forms.CharField(
        required=False,
        max_length=500,
        widget=forms.Textarea(attrs={"rows": 2}),
        help_text="Why? Kept in the audit log, with your name.",
    )


@dataclass(frozen=True)
class ConfirmedAction:
    """One thing staff can do to rows.

    `run(pk, actor, answers)` calls a service, once per row, and raises Refused (or
    IllegalTransition) if the row does not allow it. `refusal(row)` tells before asking: a short
    reason, or "" if it would work. `bulk` offers it in the list, otherwise only on the row's page.
    `pins` names the row's number that rises with each edit: `run` gets what was shown as an answer
    of that name, so that nobody decides about what they have not seen.
    """

    name: str  # part of the address
    label: str  # "Cancel posts"
    button: str  # "Cancel"
    done: str  # "cancelled", as in "12 cancelled"
    consequence: str  # one sentence: what will be true afterwards
    permission: str  # who may: "app.codename", mostly one of `engine.rights`
    run: Callable[[Any, str, Mapping[str, Any]], object]
    refusal: Callable[[Any], str]
    warning: str = ""
    form_class: type[ReasonForm] = ReasonForm
    bulk: bool = True
    pins: str = ""
    remark: Callable[[], str] = str  # what goes without saying until a setting changes it


def actor_of(request: HttpRequest) -> str:
    """Return who acts, as the audit log writes it."""
    return f"user:{request.user.get_username()}"


class ConfirmedActionsAdmin(AnyModelAdmin):
    """A ModelAdmin with `confirmed_actions`; who lacks an action's permission never sees it."""

    confirmed_actions: ClassVar[tuple[ConfirmedAction, ...]] = ()
    change_form_template = "admin/console/change_form.html"

    def may_act(self, request: HttpRequest, action: ConfirmedAction) -> bool:
        """Say whether this person may do this to rows they may see (whatever their state)."""
        return self.has_view_permission(request) and request.user.has_perm(action.permission)

    def describe(self, obj: Any) -> str:
        """Return how a row is written on the confirmation page."""
        return str(obj)

    def get_actions(self, request: HttpRequest) -> dict[str, Any]:
        actions: dict[str, Any] = {**super().get_actions(request)}
        for action in self.confirmed_actions:
            if action.bulk and self.may_act(request, action):
                actions[action.name] = (self._from_list(action), action.name, action.label)
        return actions

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view(self.act_view)
        return [path("act/<slug:name>/", view, name=self._url_name()), *super().get_urls()]

    def act_view(self, request: HttpRequest, name: str) -> HttpResponse:
        """Show the confirmation page (GET ?ids=), or do it (POST with the same ids)."""
        action = next((a for a in self.confirmed_actions if a.name == name), None)
        if action is None:
            raise Http404
        if not self.may_act(request, action):
            raise PermissionDenied
        keys = self._keys_in((request.POST or request.GET).get("ids", ""))
        shown = self._shown_in(request, action, keys)
        if request.method != "POST":
            return self._ask(request, action, keys, action.form_class(), shown=shown)
        form = action.form_class(request.POST)
        if not form.is_valid():
            return self._ask(request, action, keys, form, shown=shown)
        self._act(request, action, keys, form.cleaned_data, shown)
        return HttpResponseRedirect(self._way_back(request))

    def buttons(self, request: HttpRequest, obj: Any) -> list[dict[str, str]]:
        """Return the actions that would work on `obj` now: label, address, and what each does."""
        return [
            {
                "label": action.button,
                "name": action.name,
                "consequence": action.consequence,
                "url": f"{reverse(f'admin:{self._url_name()}', args=[action.name])}?ids={obj.pk}"
                + (f"&shown={getattr(obj, action.pins)}" if action.pins else ""),
            }
            for action in self.confirmed_actions
            if self.may_act(request, action) and not action.refusal(obj)
        ]

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        obj = self.get_object(request, object_id)
        context = {"console_buttons": self.buttons(request, obj) if obj else []}
        return super().change_view(
            request, object_id, form_url, {**context, **(extra_context or {})}
        )

    def too_many(
        self, request: HttpRequest, action: ConfirmedAction, queryset: QuerySet[Any]
    ) -> HttpResponse:
        """Answer when more rows were chosen than one page takes."""
        text = f"More than {MOST:,} were chosen: narrow the list, or choose page by page."
        self.message_user(request, text, messages.ERROR)
        return HttpResponseRedirect(request.get_full_path())

    # --- inside -------------------------------------------------------------------------------
    def _url_name(self) -> str:
        return f"{self.opts.app_label}_{self.opts.model_name}_act"

    def _from_list(self, action: ConfirmedAction) -> Callable[..., HttpResponse]:
        def ask(_: Any, request: HttpRequest, queryset: QuerySet[Any]) -> HttpResponse:
            keys = list(queryset.values_list("pk", flat=True)[: MOST + 1])
            if len(keys) > MOST:
                return self.too_many(request, action, queryset)
            return self._ask(request, action, keys, action.form_class(), request.get_full_path())

        return ask

    def _keys_in(self, text: str) -> list[Any]:
        try:
            keys = [self.opts.pk.to_python(part) for part in text.split(",") if part]
        except ValidationError:
            raise Http404 from None
        if not 0 < len(keys) <= MOST:
            raise Http404
        return keys

    def _shown_in(
        self, request: HttpRequest, action: ConfirmedAction, keys: Sequence[Any]
    ) -> dict[Any, int]:
        """Return the number of each row as it was shown, by the keys' order; {} if none came."""
        parts = [p for p in (request.POST or request.GET).get("shown", "").split(",") if p]
        if not action.pins or not parts:
            return {}
        if len(parts) != len(keys) or not all(p.isascii() and p.isdigit() for p in parts):
            raise Http404
        return dict(zip(keys, map(int, parts), strict=True))

    def _shown_as_text(
        self,
        action: ConfirmedAction,
        keys: Sequence[Any],
        rows: Sequence[Any],
        shown: Mapping[Any, int],
    ) -> str:
        if not action.pins:
            return ""
        now = {row.pk: getattr(row, action.pins) for row in rows}
        return ",".join(str(shown.get(key, now.get(key, 0))) for key in keys)

    def _ask(
        self,
        request: HttpRequest,
        action: ConfirmedAction,
        keys: Sequence[Any],
        form: ReasonForm,
        back: str = "",
        shown: Mapping[Any, int] | None = None,
    ) -> HttpResponse:
        rows = list(self._rows(request).filter(pk__in=keys))
        reasons = {row.pk: action.refusal(row) for row in rows}
        refused = Counter(reason for reason in reasons.values() if reason)
        context = {
            **self.admin_site.each_context(request),
            "title": action.label,
            "opts": self.opts,
            "action": replace(
                action, consequence=f"{action.consequence} {action.remark()}".strip()
            ),
            "form": form,
            "ids": ",".join(str(key) for key in keys),
            "shown": self._shown_as_text(action, keys, rows, shown or {}),
            "back": back or self._way_back(request),
            "address": reverse(f"admin:{self._url_name()}", args=[action.name]),
            "rows": [(self.describe(row), reasons[row.pk]) for row in rows[:LISTED]],
            "unlisted": max(0, len(rows) - LISTED),
            "doable": len(rows) - refused.total(),
            "refused": sorted(refused.items()),
            "refused_total": refused.total(),
            "media": self.media,
        }
        return TemplateResponse(request, "admin/console/confirm.html", context)

    def _rows(self, request: HttpRequest) -> QuerySet[Any]:
        rows = self.get_queryset(request).order_by(*self.get_ordering(request))
        related = self.list_select_related
        return rows.select_related(*related) if isinstance(related, (list, tuple)) else rows

    def _act(
        self,
        request: HttpRequest,
        action: ConfirmedAction,
        keys: Sequence[Any],
        answers: Mapping[str, Any],
        shown: Mapping[Any, int],
    ) -> None:
        done, proposed, refused = 0, 0, Counter[str]()
        for key in keys:
            try:
                pinned = {action.pins: shown[key]} if key in shown else {}
                action.run(key, actor_of(request), {**answers, **pinned})
                done += 1
            except Proposed:
                proposed += 1
            except (Refused, IllegalTransition) as reason:
                refused[str(reason).rstrip(".")] += 1
            except ObjectDoesNotExist:
                refused["no longer there"] += 1
        text = f"{done} {action.done}"
        if proposed:
            waits = f"{proposed} proposed: a second person has to confirm"
            text = f"{text}, {waits}" if done else waits
        if refused:
            why = "; ".join(
                reason if len(refused) == 1 else f"{count} {reason}"
                for reason, count in refused.most_common()
            )
            text += f", {refused.total()} refused: {why}"
        level = messages.SUCCESS if not refused else messages.WARNING if done else messages.ERROR
        self.message_user(request, f"{text}.", level)

    def _way_back(self, request: HttpRequest) -> str:
        """Return where the person came from, if that is one of our pages, else the list."""
        wish = request.POST.get("back") or request.GET.get("back") or ""
        if url_has_allowed_host_and_scheme(wish, allowed_hosts=None) and wish.startswith("/"):
            return wish
        changelist = reverse(f"admin:{self.opts.app_label}_{self.opts.model_name}_changelist")
        ids = (request.POST or request.GET).get("ids", "")
        if ids and "," not in ids and self.opts.pk is not None:
            return f"{changelist}{ids}/change/"
        return changelist
