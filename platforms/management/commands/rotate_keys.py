"""`manage.py rotate_keys`: encrypt every stored secret anew with the first of CREDENTIAL_KEYS."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError

from platforms.credentials import key_problem
from platforms.rotation import rotate_all


class Command(BaseCommand):
    help = (
        "Encrypt all stored credentials anew with the first key of CREDENTIAL_KEYS. To change the "
        "key: put the new one first and keep the old one behind it, restart everything, run this, "
        "then take the old key out. May be broken off and run again."
    )

    def handle(self, *args: Any, **options: Any) -> None:
        if problem := key_problem():
            raise CommandError(problem)
        report = rotate_all()
        self.stdout.write(
            f"{report.rotated} encrypted anew, {report.current} had the first key already"
        )
        if report.unreadable:
            ids = ", ".join(map(str, report.unreadable[:20]))
            raise CommandError(
                f"{len(report.unreadable)} cannot be opened by any key of CREDENTIAL_KEYS: {ids}. "
                "Add the key they were encrypted with to the end of the list, or connect those "
                "accounts again."
            )
