"""`manage.py qcluster`: everything production needs beside the web server."""

from __future__ import annotations

import os
import sys
from argparse import ArgumentParser
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from engine.supervisor import Supervisor


class Command(BaseCommand):
    help = "Run the task queue and the publisher slots until SIGTERM or SIGINT."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "-n",
            "--name",
            default=os.environ.get("Q_CLUSTER_NAME", ""),
            help="the queue to serve (default: Q_CLUSTER_NAME, else the main queue)",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        main = settings.Q_CLUSTER["name"]
        known = [main, *settings.Q_CLUSTER["ALT_CLUSTERS"]]
        name = options["name"] or main
        if name not in known:
            raise CommandError(
                f"There is no queue named {name!r}; known queues: {', '.join(known)}. "
                "Check Q_CLUSTER_NAME or --name."
            )
        if name != os.environ.get("Q_CLUSTER_NAME", main):
            # django-q2 reads the name while it is imported, so start again with it set.
            os.environ["Q_CLUSTER_NAME"] = name
            os.execv(sys.executable, [sys.executable, *sys.argv])  # noqa: S606 - ourselves
        if not Supervisor().run():
            sys.exit(1)  # the grace was over before every task had ended
