"""What is wrong, in a few words. Pure: the route brings the facts."""

import re
from collections.abc import Iterable, Sequence
from typing import Final

from shared.judgement import Judgement

LONGEST_DETAILS: Final = 200


def problems_of(judged: Iterable[Judgement]) -> list[str]:
    """The reasons of those that need attention."""
    return [judgement.reason for judgement in judged if judgement.attention]


def counted(problems: Sequence[str]) -> list[str]:
    """The same for strangers: how many, and no name."""
    if not problems:
        return []
    return [f"{len(problems)} service{'s need' if len(problems) > 1 else ' needs'} attention"]


def details_of(problems: Iterable[str]) -> str:
    """The problems as one line of at most 200 characters."""
    text = " | ".join(problems).replace("\0", "")
    return re.sub(r"\s*[\r\n]+\s*", " ", text)[:LONGEST_DETAILS]
