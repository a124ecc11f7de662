"""`dumb doctor`: what may be wrong, and what to do about it.

What the API says of itself, when it answers; else what this machine alone can tell.
"""

from collections.abc import Iterator

from services.cli.desk import Desk
from services.cli.doctor.api import check_api
from services.cli.doctor.bus import check_redis
from services.cli.doctor.claim import check_claim
from services.cli.doctor.findings import Finding
from services.cli.doctor.machine import (
    check_config_file,
    check_home,
    check_locks,
    check_options,
)
from shared.errors import DumbError


def examine(desk: Desk) -> list[Finding]:
    """Every finding, in the order in which one rests on the other."""
    try:
        settings, _ = desk.settings, desk.client
    except DumbError as error:
        return [Finding("settings", False, str(error), "Correct or unset it.")]
    near = settings.home.is_dir()
    found = list(_check_login(desk))
    if near:
        found += [*check_home(settings), *check_config_file(settings)]
    api, told = check_api(desk.client, near=near)
    found += api
    if not told and (near or settings.redis_url):
        found += check_redis(settings)
        found += [*check_options(settings), *check_locks(settings)] if near else ()
    if near and settings.redis_url:  # the API cannot tell: it may be that of another directory
        found += check_claim(settings)
    return found


def _check_login(desk: Desk) -> Iterator[Finding]:
    try:
        desk.logins.find(desk.base)
    except DumbError as error:
        yield Finding("login", False, str(error), "Until then DUMB_TOKEN can be used.")
