"""Configuration without its secrets, and the way back.

Whoever reads a masked block and posts it back must lose nothing: a value that looks as it was
shown means "unchanged". A mask that stands for nothing is refused, never written.
"""

from collections.abc import Iterable
from functools import lru_cache
from typing import Any, Final

from shared.config.trees import MISSING, Path, same
from shared.redaction import PLACEHOLDER, redact_text
from shared.secret_names import Kind, is_secret_value, kind_of, secret_flag

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
    """A copy in which every secret is `***`: values under a secret's name, what follows
    `--rc-pass` in a list, and secrets inside texts. Empty values stay as they are."""
    if isinstance(tree, dict):
        return {key: masked_value(str(key), value) for key, value in tree.items()}
    if isinstance(tree, list):
        return _masked_items(tree)
    return _without_secrets(tree) if isinstance(tree, str) else tree


def masked_value(key: str, value: Any) -> Any:
    """`value` as it is shown under the name `key`."""
    return _masked_as(kind_of(key), value)


def masked_below(path: Iterable[str], value: Any) -> Any:
    """`value` as it is shown at the end of a path; below a secret's name everything is one."""
    for key in reversed(list(path)):
        value = masked_value(key, value)
    return value


def without_env(tree: Any) -> Any:
    """A copy in which every value of an `env` is `***`, whatever its name: an environment is how
    programs are given secrets, so only administrators see what it holds."""
    if isinstance(tree, dict):
        return {
            key: _hidden(value) if str(key).lower() == "env" else without_env(value)
            for key, value in tree.items()
        }
    return [without_env(item) for item in tree] if isinstance(tree, list) else tree


def _hidden(value: Any) -> Any:
    """Every value hidden; the names stay, also those of `NAME=value`."""
    if isinstance(value, dict):
        return {key: _hidden(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_hidden(inner) for inner in value]
    if isinstance(value, str) and "=" in value:
        return f"{value.partition('=')[0]}={MASK}"
    return value if value is None or value == "" else MASK


def _masked_as(kind: Kind, value: Any) -> Any:
    if kind is Kind.NONE or value is None or isinstance(value, bool):
        return masked(value)
    if isinstance(value, dict):
        if kind is Kind.WEAK:  # a group of settings: their own names decide
            return masked(value)
        return {name: _masked_as(kind, inner) for name, inner in value.items()}
    if isinstance(value, list):
        return [_masked_as(kind, inner) for inner in value]
    if isinstance(value, str):
        # Under the name of one secret everything that is written is one, "none" as well.
        secret = value != "" if kind is Kind.ONE else is_secret_value(kind, value)
        return MASK if secret else masked(value)
    return MASK if kind is Kind.ONE else value


def _masked_items(items: list[Any]) -> list[Any]:
    shown = []
    expected = Kind.NONE  # what the item before, a flag, announces
    for item in items:
        follows = isinstance(item, str) and not item.startswith("-")
        shown.append(_masked_as(expected, item) if follows else masked(item))
        expected = secret_flag(item) if isinstance(item, str) else Kind.NONE
    return shown


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
    if isinstance(posted, dict):
        known = current if isinstance(current, dict) else {}
        secret = kind_of(key) > Kind.WEAK
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
    shown = masked_value(key, current)
    found = []
    for at, item in enumerate(posted):
        place = _seen_as(posted, at, current, shown)
        if place is None:
            there = _counterpart(posted, at, current, shown)
            found.append(unmasked(item, there, key, (*path, str(at))))
        else:
            found.append(current[place])
    return found


def _seen_as(posted: list[Any], at: int, current: list[Any], shown: list[Any]) -> int | None:
    """Where the item stands that looks just like the posted one; None if several may be meant."""
    looks = [place for place, value in enumerate(shown) if same(value, posted[at])]
    if len(posted) == len(current) and at in looks:
        return at
    if at and len(looks) > 1:  # by what stands before it: the flag that it belongs to
        before = posted[at - 1]
        looks = [n for n in looks if n and same(shown[n - 1], before)] or looks
    if looks and all(same(current[n], current[looks[0]]) for n in looks):
        return looks[0]
    return None


def _counterpart(posted: list[Any], at: int, current: list[Any], shown: list[Any]) -> Any:
    """The item of the present list that a changed one was made from, or `MISSING`."""
    item = posted[at]
    if isinstance(item, dict):
        for name in _IDENTITIES:
            if isinstance(item.get(name), str) and item[name]:
                for value, seen in zip(current, shown, strict=True):
                    if isinstance(seen, dict) and seen.get(name) == item[name]:
                        return value
    return current[at] if len(posted) == len(current) else MISSING


def holds_secrets(tree: Any) -> bool:
    """Whether `masked` would hide something."""
    return not same(tree, masked(tree))


@lru_cache(maxsize=4096)  # a configuration is shown again and again, and seldom changes
def _without_secrets(text: str) -> str:
    """Text as it may stand in a log: no password in a URL, no `--token=...` in a command."""
    return redact_text(text).replace(_REDACTED, MASK)
