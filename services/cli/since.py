"""Points in time as people type them. Pure."""

import re
import time
from typing import Final

from shared.errors import DumbError

_SPAN: Final = re.compile(r"(\d+)([smhdw])")
_UNITS: Final = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}
_FORMS: Final = ("%Y-%m-%d %H:%M:%S", "%Y-%m-%dT%H:%M:%S", "%Y-%m-%d %H:%M", "%Y-%m-%dT%H:%M",
                 "%Y-%m-%d")  # fmt: skip
_CLOCKS: Final = ("%H:%M:%S", "%H:%M")


def parse_since(text: str, now: float) -> float:
    """Epoch seconds for `10m`, `1h30m`, `14:05`, `YYYY-MM-DD`, `YYYY-MM-DD HH:MM:SS`.

    Raises:
        DumbError: it is none of these.
    """
    spans = _SPAN.findall(text)
    if spans and "".join(count + unit for count, unit in spans) == text:
        return now - sum(int(count) * _UNITS[unit] for count, unit in spans)
    for form in _FORMS:
        try:
            return time.mktime(time.strptime(text, form))
        except (ValueError, OverflowError):
            continue
    for form in _CLOCKS:
        try:
            clock = time.strptime(text, form)
        except ValueError:
            continue
        today = time.localtime(now)
        at = time.mktime((*today[:3], clock.tm_hour, clock.tm_min, clock.tm_sec, 0, 0, -1))
        return at if at <= now else at - 86400
    raise DumbError(f"'{text}' is no time: use 10m, 2h, 14:05 or YYYY-MM-DD HH:MM.")
