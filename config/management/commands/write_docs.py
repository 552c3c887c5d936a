"""`manage.py write_docs`: write the pages of docs/ that follow from the code."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand

from config.configuration_docs import configuration_page
from config.paths import BASE_DIR
from scheduling.state_docs import states_page

PAGES = {"states.md": states_page, "configuration.md": configuration_page}


class Command(BaseCommand):
    help = "Write docs/states.md from the state graphs and docs/configuration.md from .env.example."

    def handle(self, *args: Any, **options: Any) -> None:
        for name, page in PAGES.items():
            (BASE_DIR / "docs" / name).write_text(page(), encoding="utf-8")
            self.stdout.write(f"docs/{name}")
