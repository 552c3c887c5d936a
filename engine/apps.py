from __future__ import annotations

from typing import Any

from django.apps import AppConfig
from django.db.models.signals import post_migrate


class EngineConfig(AppConfig):
    name = "engine"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        post_migrate.connect(_sync_schedules, sender=self)


def _sync_schedules(**_: Any) -> None:
    """Bring django-q2's schedules in line with the code once the tables stand."""
    from django.db import connection

    from engine.schedules import sync

    if "django_q_schedule" in connection.introspection.table_names():
        sync()
