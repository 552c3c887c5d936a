"""`manage.py create_api_key --workspace SLUG --name NAME`: print a new key, this once."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from accounts.keys import SCOPES
from accounts.models import Workspace
from accounts.services import AccountError, issue_api_key


class Command(BaseCommand):
    help = "Issue an API key. It is printed this once and cannot be shown again."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--workspace", required=True, help="slug of its workspace")
        parser.add_argument("--name", required=True, help="what it is for, e.g. 'newsroom CMS'")
        parser.add_argument(
            "--scopes", nargs="*", default=[], help=f"any of {', '.join(SCOPES)} (default: all)"
        )
        parser.add_argument("--days", type=float, help="days until it expires (default: never)")

    def handle(self, *args: Any, **options: Any) -> None:
        """Issue the key and print nothing but the key, so that scripts can keep it."""
        workspace = Workspace.objects.filter(slug=options["workspace"]).first()
        if workspace is None:
            raise CommandError(
                f"There is no workspace {options['workspace']!r}: make it with "
                f"`manage.py create_workspace {options['workspace']}`."
            )
        days = options["days"]
        try:
            _, token = issue_api_key(
                workspace=workspace,
                name=options["name"],
                scopes=options["scopes"],
                valid_for=None if days is None else timedelta(days=days),
                actor="system",
            )
        except (AccountError, OverflowError) as error:
            raise CommandError(str(error)) from None
        self.stdout.write(token)
