"""Addresses under /media/."""

from __future__ import annotations

from django.urls import path

from media.views import public_file

urlpatterns = [path("<str:ticket>/<str:name>", public_file, name="public-file")]
