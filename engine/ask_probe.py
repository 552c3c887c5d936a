"""`python -m engine.ask_probe /ready`: ask the worker's door on this host; exit code 0 or 1.

For health checks that can only run a command. Loads no Django, so it is quick.
"""

from __future__ import annotations

import os
import sys
import urllib.error
import urllib.request

DEADLINE_SECONDS = 5.0


def main(path: str) -> int:
    """Print what the door says, and return the exit code."""
    port = os.environ.get("HEALTH_CHECK_PORT") or "5000"
    url = f"http://127.0.0.1:{port}/{path.lstrip('/')}"
    try:
        with urllib.request.urlopen(url, timeout=DEADLINE_SECONDS) as answer:
            sys.stdout.write(answer.read().decode() + "\n")
            return 0
    except urllib.error.HTTPError as refusal:
        sys.stdout.write(refusal.read().decode() + "\n")
    except OSError as error:
        sys.stdout.write(f"{url} does not answer: {error}\n")
    return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1] if len(sys.argv) > 1 else "/ready"))
