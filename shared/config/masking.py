"""Configuration without its secrets, and the way back.

Whoever reads a masked block and posts it back must lose nothing: a value that looks as it was
shown means "unchanged". A mask that stands for nothing is refused, never written.
"""

from typing import Any, Final

from shared.config.trees import MISSING, Path, same
from shared.redaction import PLACEHOLDER, redact_text
from shared.secret_names import is_secret_name

MASK: Final = "***"
_REDACTED: Final = PLACEHOLDER.decode()
_IDENTITIES: Final = ("id", "process_name", "name", "url")
"""What tells the items of a list apart."""


class MaskError(ValueError):
    """A posted mask stands for nothing. `path` leads to it, from where the search began."""

    def __init__(self, path: Path) -> None:
        super().__init__(
            f"holds the mask '{MASK}' beside other changes, so it is not known what it stands for: "
            "send the whole value, or leave it as it was shown"
        )
        self.path = path


def masked(tree: Any) -> Any:
    """A copy in which every value under a secret's name is `***`. Empty ones stay as they are."""
    if isinstance(tree, dict):
        return {key: masked_value(str(key), value) for key, value in tree.items()}
    if isinstance(tree, list):
        return [masked(item) for item in tree]
    return _without_secrets(tree) if isinstance(tree, str) else tree


def masked_value(key: str, value: Any) -> Any:
    """`value` as it is shown under the name `key`."""
    if not is_secret_name(key) or value is None or isinstance(value, bool):
        return masked(value)
    if isinstance(value, dict):
        return {name: masked_value(key, inner) for name, inner in value.items()}
    if isinstance(value, list):
        return [masked_value(key, inner) for inner in value]
    return MASK if value != "" else value


def unmasked(posted: Any, current: Any, key: str = "", path: Path = ()) -> Any:
    """`posted` with every value that looks as it was shown put back to what stands there.

    Args:
        current: what stands there now, or `MISSING`.
        key: its name.

    Raises:
        MaskError: a mask is left that nothing explains.
    """
    if current is not MISSING and same(posted, masked_value(key, current)):
        return current
    secret = is_secret_name(key)
    if isinstance(posted, dict):
        known = current if isinstance(current, dict) else {}
        return {
            name: unmasked(
                value, known.get(name, MISSING), key if secret else str(name), (*path, str(name))
            )
            for name, value in posted.items()
        }
    if isinstance(posted, list):
        return _items(posted, current if isinstance(current, list) else [], key, path)
    if isinstance(posted, str) and MASK in posted and not same(posted, current):
        raise MaskError(path)
    return posted


def _items(posted: list[Any], current: list[Any], key: str, path: Path) -> list[Any]:
    shown = [masked_value(key, item) for item in current]
    found = []
    for at, item in enumerate(posted):
        there = _counterpart(item, at, current, shown, equal_length=len(posted) == len(current))
        found.append(unmasked(item, there, key, (*path, str(at))))
    return found


def _counterpart(
    item: Any, at: int, current: list[Any], shown: list[Any], *, equal_length: bool
) -> Any:
    """The item of the present list that a posted one was made from, or `MISSING`."""
    looks = [place for place, value in enumerate(shown) if same(value, item)]
    if looks:
        return current[at if at in looks else looks[0]]
    if isinstance(item, dict):
        for name in _IDENTITIES:
            if isinstance(item.get(name), str) and item[name]:
                for value, seen in zip(current, shown, strict=True):
                    if isinstance(seen, dict) and seen.get(name) == item[name]:
                        return value
    return current[at] if equal_length else MISSING


def holds_secrets(tree: Any, key: str = "") -> bool:
    """Whether `masked` would hide something."""
    if isinstance(tree, dict):
        secret = is_secret_name(key)
        return any(
            holds_secrets(value, key if secret else str(name)) for name, value in tree.items()
        )
    if isinstance(tree, list):
        return any(holds_secrets(item, key) for item in tree)
    return not same(tree, masked_value(key, tree))


def _without_secrets(text: str) -> str:
    """Text as it may stand in a log: no password in a URL, no `--token=...` in a command."""
    return redact_text(text).replace(_REDACTED, MASK)
