"""The usage headers: per cent of what an app and an account may call, told after some traffic.

The reference derives the allowances from the size of an audience (4,800 calls a day per engaged
user or impression); the imitation takes ten, which is the least that Threads counts.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable

from sandbox.rates import Allowance, Window

DAY_SECONDS = 86_400
CALLS = Allowance(4800 * 10, DAY_SECONDS)
APP_CALLS = Allowance(200, 3600)  # per hour and daily user, for calls with a user's token
_BUSINESS_ID = "2044550000000001"  # Meta keys its report by a business; clients read all values


def usage_headers(kind: str) -> Callable[[Window, float], dict[str, str]]:
    """Headers for one business use case: "pages" or "instagram"."""

    def headers(window: Window, now: float) -> dict[str, str]:
        percent = _percent(window)
        if percent == 0:
            return {}
        minutes = math.ceil(max(0.0, window.resets_at - now) / 60) if window.used_up else 0
        used = {"call_count": percent, "total_cputime": percent // 2, "total_time": percent // 2}
        entry = {"type": kind, **used, "estimated_time_to_regain_access": minutes}
        return {
            "X-App-Usage": json.dumps(used),
            "X-Business-Use-Case-Usage": json.dumps({_BUSINESS_ID: [entry]}),
        }

    return headers


def _percent(window: Window) -> int:
    used = window.used + (1 if window.used_up else 0)
    return used * 100 // max(1, window.limit)
