"""Webhook endpoints over the API: made, changed, tried, replayed; secrets are shown once."""

from __future__ import annotations

from typing import Any

from django.utils import timezone

from accounts.models import AuditEvent, Workspace
from notifications import endpoints
from notifications.models import Delivery, DeliveryState, WebhookEndpoint
from scheduling.announcements import PostChange, announce
from tests.api.client import Api, iso, keyed
from tests.factories import make_connection, make_post, make_user, make_workspace

URL = "https://example.com/hooks"
D = DeliveryState


def made(api: Api, **body: Any) -> dict[str, Any]:
    answer = api.post("webhook-endpoints", {"url": URL, **body})
    assert answer.status == 201, answer.body
    shown: dict[str, Any] = answer.body
    return shown


def published(workspace: Workspace) -> None:
    announce([PostChange.of(make_post(make_connection(workspace)), event="post.published")])


def test_a_secret_is_shown_once_and_never_again(api: Api) -> None:
    body = {"url": URL, "events": ["post.published"]}
    first = api.post("webhook-endpoints", body, Idempotency_Key="k1")
    secret, pk = first.body["secret"], first.body["id"]
    again = api.post("webhook-endpoints", body, Idempotency_Key="k1")
    assert secret.startswith("whsec_")
    assert (again.body["id"], again.body["secret"]) == (pk, None)
    rotated = api.post(f"webhook-endpoints/{pk}/rotate", {"reason": "yearly"}).body
    assert rotated["secret"] != secret
    assert rotated["previous_secret_valid_until"] is not None
    shown = str([api.get(f"webhook-endpoints/{pk}").body, api.get("webhook-endpoints").body])
    assert secret not in shown
    assert rotated["secret"] not in shown
    assert "whsec_" not in str(list(AuditEvent.objects.values()))


def test_a_change_needs_the_etag_that_was_read(api: Api) -> None:
    pk = made(api)["id"]
    read = api.get(f"webhook-endpoints/{pk}")
    tag = read.headers["ETag"]
    assert api.get(f"webhook-endpoints/{pk}", If_None_Match=tag).status == 304
    changed = api("PATCH", f"webhook-endpoints/{pk}", {"description": "new"}, If_Match=tag)
    assert (changed.status, changed.body["description"]) == (200, "new")
    late = api("PATCH", f"webhook-endpoints/{pk}", {"description": "x"}, If_Match=tag)
    late.problem(412, "precondition_failed")
    api("DELETE", f"webhook-endpoints/{pk}", If_Match=tag).problem(412, "precondition_failed")
    gone = api("DELETE", f"webhook-endpoints/{pk}", If_Match=changed.headers["ETag"])
    assert gone.body == {"id": pk, "deleted": True}
    api.get(f"webhook-endpoints/{pk}").problem(404, "not_found", "endpoint_id")


def test_what_could_never_work_names_its_field(api: Api, settings: Any) -> None:
    settings.PRIVATE_HOSTS_ALLOWED = []
    for url in ("http://example.com/", "https://127.0.0.1/", "https://a:b@example.com/"):
        api.post("webhook-endpoints", {"url": url}).problem(422, "invalid", "url")
    wrong = {"url": URL, "events": ["post.publishd"]}
    api.post("webhook-endpoints", wrong).problem(422, "invalid", "events")
    assert not WebhookEndpoint.objects.exists()


def test_a_workspace_has_so_many_endpoints_at_most(api: Api, monkeypatch: Any) -> None:
    monkeypatch.setattr(endpoints, "MOST", 1)
    made(api)
    problem = api.post("webhook-endpoints", {"url": URL}).problem(422, "invalid", "")
    assert "at most 1" in problem["detail"]


def test_a_test_goes_out_and_is_listed(api: Api) -> None:
    pk = made(api, events=["post.failed"])["id"]
    sent = api.post(f"webhook-endpoints/{pk}/test", {})
    assert (sent.status, sent.body["event"], sent.body["state"]) == (202, "webhook.test", "pending")
    (listed,) = api.get(f"webhook-endpoints/{pk}/deliveries").body["results"]
    assert listed["id"] == sent.body["id"]
    full = api.get(f"notifications/deliveries/{listed['id']}").body
    assert full["data"]["endpoint_id"] == pk
    api.post(f"webhook-endpoints/{pk}/disable", {"reason": "no"})
    api.post(f"webhook-endpoints/{pk}/test", {}).problem(409, "illegal_transition")
    api.post(f"webhook-endpoints/{pk}/disable", {}).problem(409, "illegal_transition")


def test_what_failed_since_an_instant_is_replayed(api: Api, workspace: Workspace) -> None:
    pk = made(api)["id"]
    published(workspace)
    Delivery.objects.update(state=D.FAILED, due_at=None, attempts=10, error_text="broken")
    begun = timezone.now()
    published(workspace)
    Delivery.objects.filter(state=D.PENDING).update(state=D.SKIPPED, due_at=None)
    answer = api.post(f"webhook-endpoints/{pk}/replay", {"since": iso(begun)})
    assert answer.body == {"replayed": 1}
    early, late = Delivery.objects.order_by("pk")
    assert (early.state, late.state) == (D.FAILED, D.PENDING)
    replayed = api.post(f"notifications/deliveries/{early.pk}/replay", {"reason": "again"})
    assert (replayed.body["state"], replayed.body["message"]) == ("pending", None)
    assert replayed.body["max_attempts"] == 20


def test_deliveries_are_filtered_and_personal_targets_hinted_at(
    api: Api, workspace: Workspace
) -> None:
    author = make_user(workspace, email="ada@example.org")
    made(api)
    post = make_post(make_connection(workspace), created_by=author)
    announce([PostChange.of(post, event="post.failed")])
    published(workspace)

    def found(query: str) -> list[tuple[str, str]]:
        answer = api.get(f"notifications/deliveries?{query}")
        return sorted((one["event"], one["channel"]) for one in answer.body["results"])

    failed = [("post.failed", "email"), ("post.failed", "endpoint")]
    assert found("event=post.failed") == failed
    assert found("channel=email") == failed[:1]
    assert found("state=sent,failed") == []
    assert len(found("state=pending")) == 3
    assert found(f"from={iso(timezone.now())}") == []
    (mail,) = api.get("notifications/deliveries?channel=email").body["results"]
    assert mail["target"] == "a***@example.org"
    assert api.get(f"notifications/deliveries/{mail['id']}").body["data"] is None
    for query in ("channel=pigeon", "state=lost", "from=yesterday", "event=%00"):
        answer = api.get(f"notifications/deliveries?{query}")
        answer.problem(422, "invalid", query.partition("=")[0])


def test_other_workspaces_see_nothing_of_it(api: Api, workspace: Workspace) -> None:
    pk = made(api)["id"]
    published(workspace)
    delivery = Delivery.objects.get()
    other = keyed(make_workspace())
    assert other.get("notifications/deliveries").body["results"] == []
    assert other.get("webhook-endpoints").body["results"] == []
    other.get(f"notifications/deliveries/{delivery.pk}").problem(404, "not_found", "delivery_id")
    other.post(f"webhook-endpoints/{pk}/rotate", {}).problem(404, "not_found", "endpoint_id")
