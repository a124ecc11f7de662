"""From an `update-config` to the next state of the configuration, or to why not. Pure.

A change is a transaction: what it proposes is complete and was checked as a whole.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from services.supervisor.captured import KEY, captured_logs, own_document, own_updates
from services.supervisor.config_state import ConfigState, Patches, Tree
from shared.config.catalogue import OLD_NAMES, is_root_key, known_fields
from shared.config.in_force import document_update, field_update, named_in_service
from shared.config.masking import MaskError, masked, unmasked
from shared.config.pages import Config, config_of
from shared.config.services import ServiceBlock
from shared.config.trees import MISSING, deep_merge, etag_of, same, value_at, with_value
from shared.config.trees import Path as KeyPath
from shared.errors import ConfigError, DumbError
from shared.models.config_change import ConfigOp, Refusal

Proposal = tuple[Config, Patches]
"""The next file without page memory, and the next changes in memory."""


class RefusedError(DumbError):
    """The change cannot be made."""

    code = "config_refused"

    def __init__(self, refusal: Refusal, sentence: str) -> None:
        super().__init__(sentence)
        self.refusal = refusal


def propose(state: ConfigState, version: int, args: Mapping[str, Any], log_dir: Path) -> Proposal:
    """What `service` or `global` asks for. `log_dir`: of the logs that we capture.

    Raises `RefusedError`.
    """
    updates = args.get("updates")
    if not isinstance(updates, dict):
        raise RefusedError(Refusal.INVALID, "'updates' must be an object.")
    expected = _expected(args)
    if args.get("op") == ConfigOp.SERVICE:
        service = _find(state, args.get("process_name"))
        check_match(expected, service_etags(service, log_dir))
        updates = own_updates(updates, service, log_dir)
        return _service(state, service, updates, persist=args.get("persist") is True)
    if args.get("op") == ConfigOp.GLOBAL:
        check_match(expected, {str(version)})
        return _global(state, own_document(updates, state.services, log_dir))
    raise RefusedError(Refusal.INVALID, "'op' must be service, global or restore.")


def _expected(args: Mapping[str, Any]) -> list[str] | None:
    wanted = args.get("if_match")
    if wanted is None:
        return None
    if not isinstance(wanted, list) or not all(isinstance(tag, str) for tag in wanted):
        raise RefusedError(Refusal.INVALID, "'if_match' must be a list of text.")
    return wanted


def check_match(expected: list[str] | None, present: set[str]) -> None:
    """Raises `RefusedError` when the client saw another state than the present one."""
    if expected is not None and "*" not in expected and present.isdisjoint(expected):
        raise RefusedError(
            Refusal.CHANGED, "It was changed in the meantime: read it again, then change it."
        )


def service_etags(service: ServiceBlock, log_dir: Path) -> set[str]:
    """What a client may have seen of a block: as it is, and with its secrets masked, each also
    with the captured log that is shown of it."""
    seen = [service.block]
    seen += [{**service.block, KEY: path} for path in captured_logs([service], log_dir).values()]
    return {etag_of(block) for shown in seen for block in (shown, masked(shown))}


def _find(state: ConfigState, name: Any) -> ServiceBlock:
    found = next((s for s in state.services if s.process_name == name), None)
    if found is None:
        raise RefusedError(Refusal.UNKNOWN_SERVICE, "Service not found.")
    return found


# -- one service ---------------------------------------------------------------------------


def _service(
    state: ConfigState, service: ServiceBlock, updates: Tree, *, persist: bool
) -> Proposal:
    fields = known_fields(service.config_key)
    for key in updates:
        if key not in service.block and key not in fields and not key.startswith("symlink_backup_"):
            raise RefusedError(Refusal.INVALID, f"Invalid configuration key: {key[:200]}")
    if "wait_for_dir" in updates and updates["wait_for_dir"] is None:
        updates = {**updates, "wait_for_dir": ""}
    named = named_in_service(service.block, service.config_key, state.live)
    file, patches = state.file, dict(state.patches)
    for key, meant in _as_meant(updates, state, service.path).items():
        path = (*service.path, key)
        value = field_update(meant, value_at(state.live, path), service.config_key, key, named)
        if value is MISSING:
            continue
        for touched in [known for known in patches if known[: len(path)] == path]:
            del patches[touched]
        if persist:
            file = config_of(with_value(file, path, value))
        elif not same(value, value_at(file, path)):
            patches[path] = value
    return file, patches


# -- the whole document --------------------------------------------------------------------


def _global(state: ConfigState, updates: Tree) -> Proposal:
    updates = _with_new_names(updates)
    for key in sorted(updates):
        if key not in state.live and not is_root_key(key):
            raise RefusedError(Refusal.INVALID, f"Invalid global configuration key: {key[:200]}")
    updates = _keep_blanks(updates, state.effective)
    values = _as_meant(updates, state, ())
    if value_at(values, ("riven_backend", "wait_for_dir")) is None:
        values = with_value(values, ("riven_backend", "wait_for_dir"), "")
    values = document_update(values, state.live)
    patches = {p: v for p, v in state.patches.items() if value_at(values, p) is MISSING}
    return config_of(deep_merge(state.file, values)), patches


def _with_new_names(updates: Tree) -> Tree:
    for old, new in OLD_NAMES.items():
        if old in updates:
            if new in updates:
                raise RefusedError(
                    Refusal.CONFLICT, f"'{old}' is the old name of '{new}': send one of them."
                )
            updates = {new if key == old else key: value for key, value in updates.items()}
    return updates


_BLANKS: Final = (
    (("dumb", "notifications", "destinations"), "id", ("url", "headers")),
    (("dumb", "media_protection", "services"), "process_name", ("api_key",)),
)
"""Lists whose items are shown with blanks (contract redaction.md 4): a blank means "as it was"."""


def _keep_blanks(updates: Tree, current: Tree) -> Tree:
    for path, identity, blanks in _BLANKS:
        posted, there = value_at(updates, path), value_at(current, path)
        if isinstance(posted, list):
            known = there if isinstance(there, list) else []
            items = [_filled(item, known, identity, blanks) for item in posted]
            updates = with_value(updates, path, items)
    return updates


def _filled(item: Any, known: list[Any], identity: str, blanks: tuple[str, ...]) -> Any:
    if not isinstance(item, dict):
        return item
    filled = {key: value for key, value in item.items() if key != "api_key_configured"}
    wanted = item.get(identity)
    for old in known:
        if wanted and isinstance(old, dict) and old.get(identity) == wanted:
            filled |= {key: old[key] for key in blanks if key in old and not filled.get(key)}
            break
    return filled


# -- what a posted value means -------------------------------------------------------------


def _as_meant(updates: Tree, state: ConfigState, path: KeyPath) -> Tree:
    """The values by key: masks and the environment's overrides, sent back, change nothing.

    A value is `MISSING` when only the environment gives it one.
    """
    values: Tree = {}
    for key, posted in updates.items():
        at = (*path, key)
        shown, live = value_at(state.effective, at), value_at(state.live, at)
        try:
            meant = unmasked(posted, shown, key)
        except MaskError as error:
            where = ".".join((key, *error.path))
            raise RefusedError(Refusal.INVALID, f"'{where[:200]}' {error}.") from None
        value = _without_overrides(meant, shown, live)
        if value is not MISSING:
            values[key] = value
    return values


def _without_overrides(value: Any, shown: Any, live: Any) -> Any:
    if same(shown, live):
        return value
    if same(value, shown):
        return live
    if isinstance(value, dict) and isinstance(shown, dict):
        below = live if isinstance(live, dict) else {}
        kept = {
            key: _without_overrides(item, shown.get(key, MISSING), below.get(key, MISSING))
            for key, item in value.items()
        }
        return {key: item for key, item in kept.items() if item is not MISSING}
    return value


def check_running(before: ConfigState, after: ConfigState, running: frozenset[str]) -> None:
    """A process keeps its name while it runs: two would be started. Raises `RefusedError`."""
    names = {service.process_name for service in after.services}
    for service in before.services:
        name = service.process_name
        if name in running and name not in names:
            raise RefusedError(
                Refusal.CONFLICT, f"'{name}' is running: stop it before its name changes or goes."
            )


def check_dependencies(before: ConfigState, after: ConfigState) -> None:
    """A change makes nothing wrong that was right; what was wrong before keeps its own services
    down. Raises `ConfigError`."""
    known = set(before.dependencies.problems)
    for problem in after.dependencies.problems:
        if problem not in known:
            raise ConfigError(problem.message, keys=problem.path)
