"""`manage.py doctor`: one line per check; names the variable that is wrong and what to do."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from scheduling.diagnosis.findings import Level
from scheduling.diagnosis.report import diagnose


class Command(BaseCommand):
    help = (
        "Look whether this installation can publish. One line per check: ok, warn or FAIL, its "
        "name, what was seen, what to do. Exit code 1 if anything FAILs."
    )
    requires_system_checks: tuple[str, ...] = ()  # they are part of the report

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--json", action="store_true", help="a JSON list instead of lines")
        parser.add_argument(
            "--network", action="store_true", help="also knock at the networks and the mail server"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        findings = []
        for finding in diagnose(network=options["network"]):
            findings.append(finding)
            if not options["json"]:
                self.stdout.write(str(finding))
        if options["json"]:
            self.stdout.write(json.dumps([asdict(finding) for finding in findings], indent=2))
        if any(finding.level is Level.FAIL for finding in findings):
            sys.exit(1)
