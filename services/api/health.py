"""What is wrong, in a few words. Pure: the route brings the facts."""

import re
from collections.abc import Iterable
from typing import Final

from shared.judgement import Judgement

LONGEST_DETAILS: Final = 200


def problems_of(judged: Iterable[Judgement], *, telling: bool = True) -> list[str]:
    """The reasons of those that need attention.

    `telling`: names may be said. Else only how many there are: whoever asks without a token
    learns nothing about what runs here.
    """
    reasons = [judgement.reason for judgement in judged if judgement.attention]
    if telling or not reasons:
        return reasons
    one = len(reasons) == 1
    return ["1 service needs attention" if one else f"{len(reasons)} services need attention"]


def details_of(problems: Iterable[str]) -> str:
    """The problems as one line of at most 200 characters."""
    text = " | ".join(problems).replace("\0", "")
    return re.sub(r"\s*[\r\n]+\s*", " ", text)[:LONGEST_DETAILS]
