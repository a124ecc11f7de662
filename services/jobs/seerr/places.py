"""From a configured Seerr to an address and a key; that of an internal one is in its file."""

import json
from pathlib import Path

from services.jobs.seerr.client import Place
from services.jobs.seerr.roles import Source
from shared.errors import DumbError
from shared.outbound import RefusedTargetError, check_url

MAX_BYTES = 4 * 1024 * 1024


class NoPlaceError(DumbError):
    """It cannot be asked; the sentence says why."""

    code = "seerr_no_place"


def resolve(source: Source, home: Path) -> Place:
    """Where to ask, with which key.

    Raises:
        NoPlaceError: the URL is not one that is asked, or the instance's key cannot be found.
    """
    try:
        url = check_url(source.url)
    except RefusedTargetError as error:
        raise NoPlaceError(str(error)) from None
    return Place(source.label, url, source.api_key or _key_of(source, home))


def _key_of(source: Source, home: Path) -> str:
    if not source.config_file:
        raise NoPlaceError("its block names no config_file, where its API key stands")
    path = home / source.config_file
    try:
        with path.open("rb") as stream:
            tree = json.loads(stream.read(MAX_BYTES))
        key = tree["main"]["apiKey"]
    except OSError as error:
        raise NoPlaceError(
            f"{path} cannot be read ({error.strerror}): was it started yet?"
        ) from None
    except (ValueError, TypeError, KeyError):
        raise NoPlaceError(f"{path} holds no main.apiKey") from None
    if not isinstance(key, str) or not key:
        raise NoPlaceError(f"{path} holds no main.apiKey")
    return key
