from __future__ import annotations

from django.apps import AppConfig


class ConfigConfig(AppConfig):
    name = "config"
    verbose_name = "Carillon"

    def ready(self) -> None:
        """Register the system checks."""
        from config import checks  # noqa: F401 - importing registers
