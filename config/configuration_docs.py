"""docs/configuration.md, written from .env.example: `python manage.py write_docs`."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from config.paths import BASE_DIR

EXAMPLE = BASE_DIR / ".env.example"
SECTION = re.compile(r"# --- (?P<title>.+?) -+$")
ENTRY = re.compile(r"#(?P<name>[A-Z][A-Z0-9_]*)=(?P<default>.*)")
OLDER = re.compile(r"Old(?:er|est) name of (?P<name>[A-Z_]+)\.")
EMPTY_MEANS = re.compile(r"; empty: (?P<default>.+?)(?:[.;] |[.;]?$)")
UNITS = {"Seconds": "s", "Milliseconds": "ms", "Minutes": "min", "Hours": "h", "Bytes": "bytes"}

HEAD = """\
# Configuration

Everything is set by environment variables. `.env.example` explains each in one line and shows its
default; this table is written from it by `make docs`.

**Precedence**: the process's environment, then `.env`, then what `manage.py run` made for itself
(`var/embedded.env`). Of a variable and its older names the variable itself wins, then the older
names from left to right. Only `SECRET_KEY` and `CREDENTIAL_KEYS` must be set in production.
`python manage.py doctor` names the one that is wrong.

Variables that are not in this table, such as `NODE_ENV`, are ignored. Lists are separated by
commas.
"""


@dataclass(slots=True)
class Variable:
    """One line of the table."""

    name: str
    section: str
    meaning: str
    default: str
    older: list[str] = field(default_factory=list)

    @property
    def unit(self) -> str:
        """Return s, ms, min, bytes, list, 1 or 0, or "" for plain text and counts."""
        first = self.meaning.split()[0]
        if first in UNITS:
            return UNITS[first]
        if "comma-separated" in self.meaning:
            return "list"
        return "1 or 0" if first == "1:" or "(1 or 0)" in self.meaning else ""

    @property
    def shown_default(self) -> str:
        """Return the default as it stands, or what an empty value stands for."""
        if self.default:
            return f"`{self.default}`"
        found = EMPTY_MEANS.search(self.meaning)
        return found["default"] if found else "-"


def read_variables() -> list[Variable]:
    """Return every variable of .env.example; older names stand with the one they are names of."""
    variables: dict[str, Variable] = {}
    section = comment = ""
    for line in EXAMPLE.read_text(encoding="utf-8").splitlines():
        if title := SECTION.fullmatch(line):
            section = title["title"]
        elif entry := ENTRY.fullmatch(line):
            if older := OLDER.match(comment):
                variables[older["name"]].older.append(entry["name"])
            else:
                name = entry["name"]
                variables[name] = Variable(name, section, comment, entry["default"])
        comment = line.removeprefix("# ") if line.startswith("# ") else ""
    return list(variables.values())


def configuration_page() -> str:
    """Return the whole page."""
    lines = [HEAD]
    section = ""
    for variable in read_variables():
        if variable.section != section:
            section = variable.section
            lines += [
                f"\n## {section.capitalize()}",
                "| Variable | Older names | Meaning | Unit | Default |",
            ]
            lines.append("|---|---|---|---|---|")
        older = ", ".join(f"`{name}`" for name in variable.older) or "-"
        meaning = variable.meaning.replace("|", "\\|")
        lines.append(
            f"| `{variable.name}` | {older} | {meaning} | {variable.unit or '-'} "
            f"| {variable.shown_default} |"
        )
    return "\n".join(lines) + "\n"
