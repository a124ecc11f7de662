"""Page memory (`dumb.ui`) in the supervisor: cut out of updates and files, held against its limits.

The API holds an update against the same limits, but others can write to `dumb:commands` too.
"""

import logging
from collections.abc import Mapping
from typing import Any

from services.supervisor.config_change import RefusedError
from shared.config.pages import NO_PAGES, Pages, PagesError, PagesTooLargeError, cut
from shared.models.config_change import ConfigOp, Refusal

_log = logging.getLogger(__name__)


def read_updates(args: Mapping[str, Any]) -> tuple[Mapping[str, Any], Pages | None]:
    """An `update-config` without page memory, and the page memory that it posts, if any.

    Raises:
        RefusedError: it posts nothing at all.
    """
    updates = args.get("updates")
    if args.get("op") != ConfigOp.GLOBAL or not isinstance(updates, dict):
        return args, None
    if not updates:
        raise RefusedError(Refusal.INVALID, "Updates cannot be empty.")
    config, posted = cut(updates)
    return {**args, "updates": config}, None if posted is NO_PAGES else posted


def remembered(pages: Pages, posted: Pages) -> Pages:
    """What pages remember with an update. Raises `RefusedError`."""
    try:
        return pages.merged(posted)
    except PagesTooLargeError as error:
        raise RefusedError(Refusal.TOO_LARGE, f"{error}.") from None
    except PagesError as error:
        raise RefusedError(Refusal.INVALID, f"{error}.") from None


def usable(pages: Pages) -> Pages:
    """Page memory as a file has it. It has no share in whether a configuration can be used."""
    if pages.problem:
        _log.warning("page memory is left out: %s", pages.problem)
        return Pages({}, pages.place)
    if pages.excess:
        _log.warning("page memory can shrink, but not grow: %s", pages.excess)
    return pages
