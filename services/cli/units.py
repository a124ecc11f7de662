"""Numbers as people read them. Pure."""

import time
from typing import Final

_STEPS: Final = ((86400, "d"), (3600, "h"), (60, "m"), (1, "s"))
_BYTES: Final = ("B", "KiB", "MiB", "GiB", "TiB", "PiB")


def duration(seconds: float) -> str:
    """`3d 4h`, `12m 5s`, `0s`: the two largest units."""
    rest = max(0, int(seconds))
    parts: list[str] = []
    for size, unit in _STEPS:
        count, rest = divmod(rest, size)
        if count or parts or unit == "s":
            parts.append(f"{count}{unit}")
    return " ".join(part for part in parts[:2] if not part.startswith("0")) or "0s"


def seconds(value: float) -> str:
    """`0.4 s`, `12 s`, `2m 5s`: how long something took."""
    if value < 10:
        return f"{max(0.0, value):.1f} s"
    return f"{value:.0f} s" if value < 60 else duration(value)


def size(count: float) -> str:
    """`512 B`, `1.4 GiB`."""
    value = float(count)
    for unit in _BYTES:
        if value < 1024 or unit == _BYTES[-1]:
            break
        value /= 1024
    return f"{value:.0f} {unit}" if unit == "B" or value >= 100 else f"{value:.1f} {unit}"


def when(at: float | None) -> str:
    """Local time of an instant in epoch seconds; without the date when it is today."""
    if not at:
        return "-"
    then, today = time.localtime(at), time.localtime()
    form = "%H:%M:%S" if then[:3] == today[:3] else "%Y-%m-%d %H:%M"
    return time.strftime(form, then)
