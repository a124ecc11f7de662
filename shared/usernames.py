"""What an account may be called. The API and the supervisor judge by the same rules. Pure."""

import unicodedata
from typing import Final

MIN_CHARS: Final = 3
MAX_CHARS: Final = 128
MAX_BYTES: Final = 256


def username_problem(name: str) -> str:
    """Why `name` cannot be a new account's name, as a sentence; "" when it can.

    Names of an original's users.json are not judged: they work as they are.
    """
    if len(name) < MIN_CHARS:
        return f"Username must be at least {MIN_CHARS} characters long."
    try:
        size = len(name.encode())
    except UnicodeEncodeError:
        return "Username holds half of a surrogate pair."
    if len(name) > MAX_CHARS or size > MAX_BYTES:
        return f"Username must have at most {MAX_CHARS} characters and {MAX_BYTES} bytes."
    if name != name.strip():
        return "Username must not begin or end with a blank."
    if "/" in name or any(_hidden(char) for char in name):
        return "Username must not hold slashes, control characters or invisible characters."
    return ""


def name_key(name: str) -> str:
    """What two names share that people cannot tell apart: case and normalisation are gone."""
    folded = unicodedata.normalize("NFKC", name).casefold()
    folded = unicodedata.normalize("NFKC", folded)
    return "".join(char for char in folded if not _hidden(char) and not char.isspace())


def _hidden(char: str) -> bool:
    # Cc control, Cf format (bidi marks, zero width), Cs surrogate, Co private, Cn unassigned,
    # Zl and Zp line ends; Zs but the plain blank looks like one and is not.
    category = unicodedata.category(char)
    return category.startswith("C") or (category.startswith("Z") and char != " ")
