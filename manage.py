#!/usr/bin/env python
"""Carillon's command line; `python manage.py help` lists what it can do."""

from __future__ import annotations

import os
import signal
import sys
from types import FrameType

SERVERS = {"qcluster", "runserver"}  # these take their settings from the operator alone


def end_at_once(_number: int, _frame: FrameType | None) -> None:
    """End in order: nothing has been started yet that would have to be finished."""
    os._exit(0)


def main() -> None:
    """Hand the command line to Django, after `run` has prepared its embedded environment."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    command = sys.argv[1] if len(sys.argv) > 1 else ""
    if command == "run":
        from config.embedded import prepare_environment

        prepare_environment(sandbox="--no-sandbox" not in sys.argv)
    elif command == "qcluster":
        # Until its supervisor listens. As process 1 of a container we would else not hear at all.
        signal.signal(signal.SIGTERM, end_at_once)
        signal.signal(signal.SIGINT, end_at_once)
    elif command not in SERVERS:
        from config.embedded import join_running_installation

        join_running_installation()
    from django.core.management import execute_from_command_line

    execute_from_command_line(sys.argv)


if __name__ == "__main__":
    main()
