"""`manage.py add_connection PLATFORM --workspace SLUG --credentials -`: connect an account."""

from __future__ import annotations

import json
import sys
from argparse import RawDescriptionHelpFormatter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from accounts.models import Workspace
from engine.errors import ServiceError
from platforms.adapters.base import Account
from platforms.credentials import key_problem
from platforms.registry import ADAPTERS, UnknownPlatform, adapter_for, slug_of
from platforms.services import connect
from platforms.verification import check_keys, verify_credentials

INTRODUCTION = """\
Connect an account from its tokens. They are read as one JSON object, from standard input or from
a file, never from the command line, where other users and the shell's history could see them:

  manage.py add_connection mastodon --workspace us --credentials - < tokens.json

The network is asked whose tokens these are, then they are kept encrypted. An account that is
connected already gets the new tokens. Prints the connection's id, and nothing else.

Keys per network:
"""


class Command(BaseCommand):
    help = "Connect an account from its tokens; prints the connection's id."

    def create_parser(self, prog_name: str, subcommand: str, **kwargs: Any) -> CommandParser:
        """Show the keys of every network in the help, with their line breaks."""
        kwargs["formatter_class"] = RawDescriptionHelpFormatter
        parser = super().create_parser(prog_name, subcommand, **kwargs)
        parser.description = INTRODUCTION + "\n".join(map(_keys_of, ADAPTERS))
        return parser

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("platform", help=", ".join(ADAPTERS))
        parser.add_argument("--workspace", required=True, metavar="SLUG")
        parser.add_argument(
            "--credentials", required=True, metavar="FILE", help="JSON; - reads standard input"
        )
        parser.add_argument(
            "--no-verify", action="store_true", help="do not ask the network; needs the two below"
        )
        parser.add_argument(
            "--external-id",
            default="",
            help="the network's id of the account; needed if the tokens are for several",
        )
        parser.add_argument("--username", default="", help="the account's name on the network")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            slug = slug_of(options["platform"])
            workspace = Workspace.objects.get(slug=options["workspace"])
        except UnknownPlatform as error:
            raise CommandError(str(error)) from None
        except Workspace.DoesNotExist:
            raise CommandError(
                f"There is no workspace {options['workspace']!r}: make it with "
                f"`manage.py create_workspace {options['workspace']}`."
            ) from None
        if problem := key_problem():
            raise CommandError(problem)
        credentials: Mapping[str, Any] = _read(options["credentials"])
        try:
            if options["no_verify"]:
                account = _unverified_account(slug, credentials, options)
            else:
                account, credentials = verify_credentials(
                    slug, credentials, external_id=options["external_id"]
                )
            connection = connect(
                workspace, slug, credentials, account, None, actor="command:add_connection"
            )
        except ServiceError as error:
            raise CommandError(
                f"{error.detail} See `add_connection --help` for the keys of {slug}."
            ) from None
        self.stdout.write(str(connection.pk))


def _keys_of(slug: str) -> str:
    adapter = adapter_for(slug)
    lines = [f"  {slug} ({adapter.name})"]
    for name, meaning in adapter.credential_keys.items():
        optional = "optional. " if name.endswith("?") else ""
        lines.append(f"    {name.rstrip('?'):<20} {optional}{meaning}")
    return "\n".join(lines)


def _read(source: str) -> dict[str, Any]:
    """Return the JSON object in a file or on standard input; errors never show its content."""
    try:
        text = sys.stdin.read() if source == "-" else Path(source).read_text(encoding="utf-8")
    except OSError as error:
        raise CommandError(f"Cannot read {source}: {error.strerror}.") from None
    except UnicodeDecodeError:
        raise CommandError("The credentials are not UTF-8 text.") from None
    try:
        credentials = json.loads(text)
    except json.JSONDecodeError as error:
        place = f"line {error.lineno}, column {error.colno}"
        raise CommandError(f"The credentials are not JSON: {error.msg} ({place}).") from None
    if not isinstance(credentials, dict):
        raise CommandError('The credentials must be a JSON object: {"key": "value"}.')
    return credentials


def _unverified_account(
    slug: str, credentials: Mapping[str, Any], options: dict[str, Any]
) -> Account:
    missing = [name for name in ("external_id", "username") if not options[name]]
    if missing:
        names = " and ".join(f"--{name.replace('_', '-')}" for name in missing)
        raise CommandError(f"--no-verify needs {names}: without asking we cannot know.")
    adapter = adapter_for(slug)
    check_keys(adapter, credentials)
    adapter.authorize(credentials)
    return Account(
        external_id=options["external_id"],
        username=options["username"],
        instance_url=str(credentials.get("instance_url", "")),
    )
