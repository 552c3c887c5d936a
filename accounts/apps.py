from __future__ import annotations

from typing import Any

from django.apps import AppConfig, apps
from django.db.models.signals import post_migrate


class AccountsConfig(AppConfig):
    name = "accounts"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        """Register the system checks, and keep the staff's groups in line with the code."""
        from accounts import checks  # noqa: F401

        # Django makes the permissions app by app: those of all are there after the last one.
        last = list(apps.get_app_configs())[-1]
        post_migrate.connect(_sync_staff_roles, sender=last)


def _sync_staff_roles(**_: Any) -> None:
    """Bring the groups in line with the code once tables and permissions stand."""
    from django.db import connection

    from accounts.staff_roles import sync
    from engine.models import Pause

    if Pause._meta.db_table in connection.introspection.table_names():  # noqa: SLF001 - documented
        sync()
