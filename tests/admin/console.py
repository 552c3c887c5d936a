"""What the console's tests share."""

from __future__ import annotations

from django.test import Client

from accounts.models import User

POSTS = "/admin/scheduling/scheduledpost/"


def client_of(user: User) -> Client:
    """Return a browser in which `user` is logged in."""
    client = Client()
    client.force_login(user)
    return client
