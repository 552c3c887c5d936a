"""`manage.py create_workspace SLUG`: make a workspace, with an owner if one is named."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from accounts.models import User
from accounts.services import AccountError, create_workspace


class Command(BaseCommand):
    help = "Make a workspace: the owner of connections, posts and media."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("slug", help="short name used in commands, e.g. acme")
        parser.add_argument("--name", default="", help="name shown to people (default: the slug)")
        parser.add_argument("--owner", default="", help="username of its first member")

    def handle(self, *args: Any, **options: Any) -> None:
        """Make the workspace and print its id."""
        owner = None
        if options["owner"]:
            owner = User.objects.filter(username=options["owner"]).first()
            if owner is None:
                raise CommandError(
                    f"There is no user {options['owner']!r}: make one with "
                    "`manage.py createsuperuser`, or leave --owner out."
                )
        try:
            workspace = create_workspace(
                slug=options["slug"], name=options["name"], owner=owner, actor="system"
            )
        except AccountError as error:
            raise CommandError(str(error)) from None
        self.stdout.write(str(workspace.pk))
