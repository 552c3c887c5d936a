"""The same words, choices and summaries on SQLite, in a process of its own."""

from __future__ import annotations

from pathlib import Path

from tests.processes import Processes

SCENE = """
from datetime import time, timedelta
from django.utils import timezone
from accounts.models import User, Workspace
from notifications import digests
from notifications.contacts import ask_for_code
from notifications.models import Delivery, DigestItem, Preference, Reader
from notifications.routing import Telling, tell
ada = User.objects.create(username="ada", email="ada@example.org")
w = Workspace.objects.create(slug="w", name="W")
def say(event, number):
    keys = [f"{event}:{n}" for n in range(number)]
    return tell([Telling(event, ada.pk, w.pk, {"mail": {}}, key) for key in keys])
assert (say("post.failed", 25), say("post.failed", 25)) == (25, 0)
assert (Delivery.objects.count(), DigestItem.objects.count()) == (20, 5)
Preference.objects.create(user=ada, workspace=w, event="post.held", channel="email", mode="daily")
assert say("post.held", 3) == 3
now = timezone.now()
Reader.objects.create(user=ada, quiet_from=(now - timedelta(hours=1)).time(),
                      quiet_until=(now + timedelta(hours=1)).time())
assert say("post.blocked", 1) == 1
assert Delivery.objects.get(notification__event="post.blocked").due_at > now + timedelta(minutes=50)
DigestItem.objects.update(due_at=now)
assert (digests.send_due(), digests.send_due()) == (1, 0)
told = Delivery.objects.get(notification__event="digest").notification.context["mail"]
assert told["total"] == 8 and not DigestItem.objects.exists()
ask_for_code(ada, channel="sms", target="+4915112345678")
print("all told")
"""


def test_choices_quiet_hours_floods_and_summaries(
    processes: Processes, sqlite_env: dict[str, str], tmp_path: Path
) -> None:
    child = processes.manage("shell", "--verbosity=0", "-c", SCENE, env=sqlite_env)
    assert child.wait() == 0, child.output
    assert "all told" in child.output
