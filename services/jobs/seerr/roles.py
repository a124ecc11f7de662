"""Who is copied to whom, by the configuration alone (contract seerr-sync.md 1). Pure."""

import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

MIN_INTERVAL_S: Final = 10
DEFAULT_INTERVAL_S: Final = 60
DEFAULT_PORT: Final = 5055


@dataclass(frozen=True, slots=True)
class Source:
    """One Seerr as it is configured. The key of an internal one stands in its `config_file`."""

    label: str
    url: str
    api_key: str = field(default="", repr=False)
    config_file: str = ""


@dataclass(frozen=True, slots=True)
class Options:
    """`seerr_sync.options`."""

    pending: bool = True
    approved: bool = True
    declined: bool = False
    deletes: bool = True
    separate_4k: bool = True
    """False: a request in 4K counts as one for the ordinary version of the title."""
    by_email: bool = False
    """Copies belong to the subordinate's user with the same e-mail address."""
    retry_after_s: float = 24 * 3600.0
    """A request that was refused is not sent again before; 0: it is, in every cycle."""


@dataclass(frozen=True, slots=True)
class Roles:
    """What a valid configuration says."""

    primary: Source
    subordinates: tuple[Source, ...]
    options: Options
    interval_s: float


def is_enabled(config: Mapping[str, Any]) -> bool:
    """Whether a sync is wanted at all."""
    return _object(config.get("seerr_sync")).get("enabled") is True


def read_roles(config: Mapping[str, Any]) -> tuple[Roles | None, list[str]]:
    """The roles, or None and everything that is wrong with them (rules 1 to 6)."""
    section = _object(config.get("seerr_sync"))
    internal = _internal(config, "primary")
    external = _object(section.get("external_primary"))
    problems = []
    if len(internal) > 1:
        names = ", ".join(source.label.removeprefix("internal:") for source in internal)
        problems.append(f"only one instance can be the primary, and there are {names}")
    primary = internal[0] if internal else None
    if external.get("enabled") is True:
        if internal:
            problems.append("external_primary is enabled, and an instance is the primary as well")
        if not (_text(external, "url") and _text(external, "api_key")):
            problems.append("external_primary needs url and api_key")
        primary = primary or _external(external)
    if primary is None:
        problems.append("there is no primary")
    subordinates = _internal(config, "subordinate")
    entries = section.get("external_subordinates")
    for number, entry in enumerate(entries if isinstance(entries, list) else []):
        if not (_text(entry, "url") and _text(entry, "api_key")):
            problems.append(f"external_subordinates[{number}] needs url and api_key")
        subordinates.append(_external(_object(entry)))
    if not subordinates:
        problems.append("there is no subordinate")
    labels = [source.label for source in subordinates]
    twice = sorted({label for label in labels if labels.count(label) > 1})
    problems += [f"the subordinate {label} is there twice" for label in twice]
    if primary is not None and primary.label in labels:
        problems.append(f"{primary.label} is primary and subordinate at once")
    if problems or primary is None:
        return None, problems
    return Roles(primary, tuple(subordinates), _options(section), _interval(section)), []


def configured_interval(config: Mapping[str, Any], log: logging.Logger) -> float | None:
    """Seconds between two cycles; None while none shall run. What is wrong is logged."""
    if not is_enabled(config):
        return None
    roles, problems = read_roles(config)
    for problem in problems:
        log.error("Seerr sync config error: %s.", problem)
    return roles.interval_s if roles else None


def _internal(config: Mapping[str, Any], role: str) -> list[Source]:
    instances = _object(_object(config.get("seerr")).get("instances"))
    return [
        Source(
            label=f"internal:{name}",
            url=f"http://127.0.0.1:{_number(block, 'port', DEFAULT_PORT)}",
            config_file=_text(block, "config_file"),
        )
        for name, block in instances.items()
        if isinstance(block, dict)
        and block.get("enabled") is True
        and block.get("sync_role") == role
    ]


def _external(entry: Mapping[str, Any]) -> Source:
    url = _text(entry, "url").rstrip("/")
    return Source(label=url, url=url, api_key=_text(entry, "api_key"))


def _options(section: Mapping[str, Any]) -> Options:
    tree = _object(section.get("options"))
    default = Options()

    def flag(name: str, fallback: bool) -> bool:
        value = tree.get(name)
        return value if isinstance(value, bool) else fallback

    return Options(
        pending=flag("sync_pending", default.pending),
        approved=flag("sync_approved", default.approved),
        declined=flag("sync_declined", default.declined),
        deletes=flag("sync_deletes", default.deletes),
        separate_4k=flag("sync_4k_separately", default.separate_4k),
        by_email=tree.get("user_mapping") == "email_match",
        retry_after_s=_number(tree, "retry_failed_after_hours", 24) * 3600.0,
    )


def _interval(section: Mapping[str, Any]) -> float:
    return float(max(MIN_INTERVAL_S, _number(section, "poll_interval_seconds", DEFAULT_INTERVAL_S)))


def _object(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _text(entry: Any, key: str) -> str:
    value = _object(entry).get(key)
    return value.strip() if isinstance(value, str) else ""


def _number(entry: Mapping[str, Any], key: str, fallback: int) -> int:
    value = entry.get(key)
    good = isinstance(value, int) and not isinstance(value, bool) and value >= 0
    return value if good and value is not None else fallback
