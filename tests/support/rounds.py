"""How often a test of faults repeats itself: `DUMB_ROUNDS`."""

import os

DEFAULT = 3
"""In `make test`."""


def rounds(whole: int) -> int:
    """Rounds to run of `whole`, the number that an issue names and `make soak` runs.

    `DUMB_ROUNDS` is a number, which `whole` limits, or `all`.
    """
    asked = os.environ.get("DUMB_ROUNDS", "")
    if asked == "all":
        return whole
    return min(int(asked) if asked.isdecimal() and int(asked) else DEFAULT, whole)
