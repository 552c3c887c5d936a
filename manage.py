#!/usr/bin/env python
"""Carillon's command line; `python manage.py help` lists what it can do."""

from __future__ import annotations

import os
import sys

SERVERS = {"qcluster", "runserver"}  # these take their settings from the operator alone


def main() -> None:
    """Hand the command line to Django, after `run` has prepared its embedded environment."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    command = sys.argv[1] if len(sys.argv) > 1 else ""
    if command == "run":
        from config.embedded import prepare_environment

        prepare_environment(sandbox="--no-sandbox" not in sys.argv)
    elif command not in SERVERS:
        from config.embedded import join_running_installation

        join_running_installation()
    from django.core.management import execute_from_command_line

    execute_from_command_line(sys.argv)


if __name__ == "__main__":
    main()
