"""The configuration as the supervisor holds it: read, checked, changed and numbered in one place.

`change` and `reload` block and are called in a thread, one at a time (config_desk.py); what they
return is put in force by `adopt`, on the event loop.
"""

import json
import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from services.supervisor.config_change import (
    Proposal,
    RefusedError,
    check_match,
    check_running,
    only_ui,
    propose,
)
from services.supervisor.config_history import History, Record, changes_of
from services.supervisor.config_state import UI, ConfigState, Tree, make_state
from shared.config.document import load_document, parse_strict, save_document, with_line
from shared.config.environment import SECRETS_DIR, Variable, read_variables
from shared.config.masking import holds_secrets
from shared.config.notices import notices, summary_of
from shared.config.services import ServiceBlock
from shared.config.trees import MISSING, same, value_at, with_value
from shared.config.usable import without_bad_services
from shared.config.validate import problems
from shared.errors import ConfigError
from shared.models.config_change import ConfigOp, Refusal

_log = logging.getLogger(__name__)

Stamp = tuple[int, int, int]

ABSENT: Final = (0, 0, 0)
MAX_TOLD: Final = 20
"""Problems of a file that are named together."""


class StaleError(Exception):
    """Somebody replaced the file in this very moment: take that over first."""


@dataclass(frozen=True, slots=True)
class Author:
    """Who wants a change, and by which command."""

    actor: str
    source: str
    command_id: str = ""


@dataclass(frozen=True, slots=True)
class Step:
    """A state to put in force. `record` None: no new version (only `dumb.ui`, or nothing)."""

    state: ConfigState
    variables: Mapping[str, Variable] = field(repr=False)
    record: Record | None
    stamp: Stamp
    ui_changed: bool = False

    @property
    def changed(self) -> bool:
        """Whether anything is another one than before."""
        return self.ui_changed or self.record is not None


_EMPTY: Final = ConfigState({}, {}, {})


class Configuration:
    """The one writer of the file."""

    def __init__(
        self,
        path: Path,
        run_dir: Path,
        environ: Mapping[str, str],
        home: Path | None = None,
        secrets_dir: Path = SECRETS_DIR,
    ) -> None:
        self.path = path
        self.environ = environ
        self.env_files = tuple(
            dict.fromkeys((path.parent / ".env", (home or path.parent) / ".env"))
        )
        self.secrets_dir = secrets_dir
        self.history = History(run_dir / "config.versions")
        self.state = _EMPTY
        self.variables: Mapping[str, Variable] = {}
        self.problem = ""
        """Why the file on disk is refused, "" while it is fine."""
        self.ui_revision = time.time_ns() // 1_000_000
        self._seen: Stamp = ABSENT

    # -- what is so ------------------------------------------------------------------------

    @property
    def version(self) -> int:
        """Rises with every change that is not only one of `dumb.ui`."""
        return self.history.version

    @property
    def file(self) -> Tree:
        """What is on the disk."""
        return self.state.file

    @property
    def effective(self) -> Tree:
        """What counts."""
        return self.state.effective

    @property
    def dumb(self) -> Tree:
        """The `dumb` block, {} when there is none."""
        block = self.effective.get("dumb")
        return block if isinstance(block, dict) else {}

    def services(self) -> list[ServiceBlock]:
        """Every service block, in the order of the file."""
        return self.state.services

    def changed_on_disk(self) -> bool:
        """Whether the file is another one than the one that was taken over or refused."""
        return self.stamp() != self._seen

    # -- reading ---------------------------------------------------------------------------

    def load(self) -> None:
        """Read the file, else the last one that was good, else what can be used of it.

        Raises:
            ConfigError: none of them can.
        """
        stamp = self.stamp()
        try:
            state, variables = self._read()
            self.history.load(state)
        except ConfigError as error:
            self.problem, self._seen = str(error), stamp
            self.history.load(None)
            good = next((r for r in reversed(self.history.records) if r.persisted), None)
            tree = self._usable_part(error) if good is None else good.tree
            version = "its good part" if good is None else f"version {good.version}"
            _log.error("using %s of the configuration: %s", version, self.problem)
            variables = self._variables(tree)
            state = make_state(tree, {}, variables)
        newest = self.history.records[-1] if self.history.records else None
        record = None
        if newest is None or newest.digest != state.digest:
            note = _why(newest, state)
            before = newest.tree if newest is not None else state.live
            record = self._record(state, before, Author(note, note), note, persisted=True)
            self.history.note(record)
        self.adopt(Step(state, variables, record, stamp))
        if warning := summary_of(notices(state.file, state.effective)):
            _log.warning("%s (details: GET /config?sources=1)", warning)

    def _usable_part(self, error: ConfigError) -> Tree:
        """At a first start, a mistake in one service keeps no other down. Raises `ConfigError`."""
        tree = load_document(self.path)
        found = [with_line(one, self.path) for one in problems(tree, str(self.path))]
        part = without_bad_services(tree, found) if found else None
        if part is None:
            raise error
        self.problem = "; ".join(map(str, found[:MAX_TOLD]))
        return part

    def reload(self, author: Author) -> Step:
        """The file as it is now, and nothing in memory. Blocking.

        Raises:
            ConfigError: it cannot be used; see `refuse`.
        """
        stamp = self.stamp()
        state, variables = self._read()
        return self._taken_over(state, variables, stamp, author)

    def _taken_over(
        self, state: ConfigState, variables: Mapping[str, Variable], stamp: Stamp, author: Author
    ) -> Step:
        ui_changed = not same(
            value_at(self.effective, UI) or {}, value_at(state.effective, UI) or {}
        )
        if state.digest == self.state.digest:
            return Step(state, variables, None, stamp, ui_changed)
        record = self._record(state, self.state.live, author, "read from the file", persisted=True)
        self.history.note(record)
        return Step(state, variables, record, stamp, ui_changed)

    def refuse(self, error: ConfigError, stamp: Stamp) -> None:
        """The file on disk cannot be used: everything stays as it is. On the event loop.

        Args:
            stamp: from before it was read. A file that is written while we look at it was not seen.
        """
        self._seen = stamp
        if str(error) != self.problem:
            _log.error("configuration refused: %s", error)
        self.problem = str(error)

    def _read(self) -> tuple[ConfigState, Mapping[str, Variable]]:
        tree = load_document(self.path)
        variables = self._variables(tree)
        try:
            return make_state(tree, {}, variables, str(self.path)), variables
        except ConfigError as error:
            raise with_line(error, self.path) from None

    def _variables(self, tree: Tree) -> Mapping[str, Variable]:
        return read_variables(tree, self.environ, self.env_files, self.secrets_dir)

    # -- changing --------------------------------------------------------------------------

    def change(self, args: Mapping[str, Any], author: Author, running: frozenset[str]) -> Step:
        """Carry out an `update-config`; when this returns it is on the disk. Blocking.

        Raises:
            RefusedError: it cannot be made; nothing has changed.
            StaleError: `reload` first.
        """
        restored = args.get("op") == ConfigOp.RESTORE
        proposal = self._restored(args) if restored else propose(self.state, self.version, args)
        note = f"restore of version {args['version']}" if restored else ""
        try:
            return self._make(proposal, author, running, note)
        except ConfigError as error:
            raise RefusedError(Refusal.INVALID, _sentence(error, args)) from None

    def transact(
        self, make: Callable[[ConfigState], Proposal], author: Author, running: frozenset[str]
    ) -> Step:
        """Carry out a change that a command of several services consists of. Blocking.

        Raises like `change`.
        """
        try:
            return self._make(make(self.state), author, running, "")
        except ConfigError as error:
            raise RefusedError(Refusal.INVALID, str(error).strip()) from None

    def _make(self, proposal: Proposal, author: Author, running: frozenset[str], note: str) -> Step:
        """Raises `ConfigError` for what cannot be used, and like `change`."""
        file, patches = proposal
        saved = not same(file, self.file)
        if not saved and same(_plain(patches), _plain(self.state.patches)):
            return Step(self.state, self.variables, None, self._seen)
        if only_ui(self.file, file) and same(_plain(patches), _plain(self.state.patches)):
            return self._change_ui(file)
        variables = self._variables(file)
        state = make_state(file, patches, variables)
        _check_dependencies(self.state, state)
        check_running(self.state, state, running)
        record = self._record(state, self.state.live, author, note, persisted=saved)
        self._save(state, record) if saved else self._keep(record)
        ui_changed = not same(value_at(self.effective, UI), value_at(state.effective, UI))
        stamp = self.stamp() if saved else self._seen
        return Step(state, variables, record, stamp, ui_changed)

    def _change_ui(self, file: Tree) -> Step:
        """No version, no event; while the file on disk is broken it is left alone."""
        try:
            state = make_state(file, self.state.patches, self.variables)
        except ConfigError as error:
            raise RefusedError(Refusal.INVALID, f"Validation error {error}") from None
        if not self.problem:
            self._save(state, None)
        return Step(state, self.variables, None, self.stamp(), ui_changed=True)

    def _restored(self, args: Mapping[str, Any]) -> Proposal:
        wanted = args.get("version")
        record = self.history.find(wanted) if type(wanted) is int else None
        if record is None:
            raise RefusedError(Refusal.UNKNOWN_VERSION, f"Version {wanted!s:.20} is not kept.")
        expected = args.get("if_match")
        check_match(expected if isinstance(expected, list) else None, {str(self.version)})
        ui = value_at(self.file, UI)
        tree = record.tree
        if ui is not MISSING and isinstance(tree.get("dumb"), dict):
            tree = with_value(tree, UI, ui)  # has a revision of its own
        return tree, {}

    def _record(
        self, state: ConfigState, before: Tree, author: Author, note: str, *, persisted: bool
    ) -> Record:
        return Record(
            version=self.version + 1,
            at=time.time(),
            actor=author.actor,
            source=author.source,
            note=note,
            persisted=persisted,
            digest=state.digest,
            file_digest=state.file_digest,
            command_id=author.command_id,
            changes=changes_of(before, state.live),
            tree=state.live,
        )

    def _keep(self, record: Record) -> None:
        """Raises `RefusedError`: without its number on the disk, a version could come twice."""
        try:
            self.history.add(record)
        except OSError as error:
            why = f"The configuration stays as it was: its version cannot be saved ({error})."
            raise RefusedError(Refusal.UNAVAILABLE, why) from error

    def _save(self, state: ConfigState, record: Record | None) -> None:
        if self.problem:
            raise RefusedError(
                Refusal.CONFLICT,
                f"The file on disk cannot be used, repair it first: {self.problem}",
            )
        if self.stamp() != self._seen:
            raise StaleError
        try:
            _check_writable(state.file)
            if record is not None:
                self.history.prepare(record)
            save_document(self.path, state.file, private=holds_secrets(state.file))
        except (ConfigError, OSError) as error:
            if record is not None:
                self.history.withdraw(record)
            _log.error("the configuration stays as it was: %s", error)
            why = f"The configuration stays as it was: {error}"
            raise RefusedError(Refusal.UNAVAILABLE, why) from error
        if record is not None:
            self.history.confirm(record)

    # -- putting in force ------------------------------------------------------------------

    def adopt(self, step: Step) -> None:
        """Make it what is so. On the event loop."""
        if step.ui_changed:
            self.ui_revision = max(self.ui_revision + 1, time.time_ns() // 1_000_000)
        self.state, self.variables, self._seen = step.state, step.variables, step.stamp

    def accept(self) -> None:
        """The file on disk is the one in force."""
        self.problem = ""

    def stamp(self) -> Stamp:
        """By what a file that was replaced or written to is told from the one that was read."""
        try:
            stat = self.path.stat()
        except OSError:
            return ABSENT
        return (stat.st_mtime_ns, stat.st_size, stat.st_ino)


def _check_dependencies(before: ConfigState, after: ConfigState) -> None:
    """A change makes nothing wrong that was right; what was wrong before keeps its own services
    down. Raises `ConfigError`."""
    known = set(before.dependencies.problems)
    for problem in after.dependencies.problems:
        if problem not in known:
            raise ConfigError(problem.message, keys=problem.path)


def _check_writable(tree: Tree) -> None:
    """What is written must be readable by the next supervisor. Raises `ConfigError`."""
    try:
        parse_strict(json.dumps(tree, ensure_ascii=False, allow_nan=False))
    except (ValueError, TypeError, RecursionError) as error:
        raise ConfigError(f"cannot be written as JSON: {error}") from None


def _why(newest: Record | None, state: ConfigState) -> str:
    """Who changed what is effective while no supervisor ran."""
    if newest is None or newest.file_digest != state.file_digest:
        return "file"
    return "environment" if newest.persisted else "restart"


def _sentence(error: ConfigError, args: Mapping[str, Any]) -> str:
    where = "merged config" if args.get("op") == ConfigOp.SERVICE else "global update"
    return f"Validation error in {where} {str(error).strip()}"


def _plain(patches: Mapping[tuple[str, ...], Any]) -> dict[str, Any]:
    return {"\0".join(path): value for path, value in patches.items()}
