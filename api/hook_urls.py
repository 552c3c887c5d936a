"""Addresses under /api/v1/hooks/, exactly as they are signed; no operations of the API."""

from __future__ import annotations

from django.urls import path

from api import hooks

urlpatterns = [
    path("twilio/<str:delivery_id>", hooks.twilio),
    path("sendgrid", hooks.sendgrid),
]
