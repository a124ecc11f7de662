"""Sizes as people write them in the configuration (`dumb.log_size`)."""

import re
from typing import Final

_SIZE: Final = re.compile(r"(\d{1,9})([KMG]?)B?", re.IGNORECASE)
_FACTOR: Final = {"": 1, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30}


def parse_size(text: str) -> int:
    """Bytes of `10M`, `512K`, `1G` or `4096` (powers of 1024).

    Raises:
        ValueError: not of that form, or zero.
    """
    match = _SIZE.fullmatch(text.strip())
    size = int(match[1]) * _FACTOR[match[2].upper()] if match else 0
    if not size:
        raise ValueError(f"'{text[:40]}' is not a size such as 10M, 512K or 1G")
    return size
