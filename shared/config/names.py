"""Matching a name that somebody typed to a configured process name."""

import difflib
from collections.abc import Iterable

from shared.errors import AmbiguousServiceError, UnknownServiceError

_LONGEST = 200  # of a process name; comparing more of what was typed only costs time


def loose(name: str) -> str:
    """`name` without spaces, in lower case: how the original compares in some places."""
    return name.replace(" ", "").lower()


def nearest(names: Iterable[str], wanted: str) -> str | None:
    """The name that looks most like `wanted`, or None when none is close."""
    by_loose = {loose(name): name for name in names}
    close = difflib.get_close_matches(loose(wanted[:_LONGEST]), by_loose, n=1, cutoff=0.6)
    return by_loose[close[0]] if close else None


def resolve(names: Iterable[str], wanted: str) -> str:
    """The exact match, else the only loose one.

    Raises:
        UnknownServiceError: nothing matches; it carries the nearest name.
        AmbiguousServiceError: several names match loosely and none exactly.
    """
    known = list(names)
    if wanted in known:
        return wanted
    matches = [name for name in known if loose(name) == loose(wanted)]
    if len(matches) > 1:
        raise AmbiguousServiceError(wanted, matches)
    if not matches:
        raise UnknownServiceError(wanted, nearest(known, wanted))
    return matches[0]
