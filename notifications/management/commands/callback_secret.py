"""`manage.py callback_secret`: what receivers of callbacks need to check our signatures."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError

from notifications.signing import BadSecret, read_secret, secrets


class Command(BaseCommand):
    help = "Print the secret(s) that sign callbacks, newest first, one per line (whsec_...)."

    def handle(self, *args: Any, **options: Any) -> None:
        for text in secrets():
            try:
                read_secret(text)
            except BadSecret as error:
                raise CommandError(f"CALLBACK_SECRET cannot sign: {error}.") from None
            self.stdout.write(text)
