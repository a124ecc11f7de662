"""The configuration as the supervisor holds it: read, checked, changed and numbered in one place.

`change` and `reload` block and are called in a thread, one at a time (config_desk.py); what they
return is put in force by `adopt`, on the event loop.
"""

import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from services.supervisor.config_change import (
    Proposal,
    RefusedError,
    check_dependencies,
    check_match,
    check_running,
    propose,
)
from services.supervisor.config_history import History, Record, changes_of
from services.supervisor.config_state import ConfigState, Tree, make_state
from services.supervisor.page_updates import read_updates, remembered, usable
from shared.config.document import TooLargeError, render_document, replace_document, with_line
from shared.config.environment import Variable, read_variables
from shared.config.masking import holds_secrets
from shared.config.notices import notices, summary_of
from shared.config.pages import NO_PAGES, Config, Pages, join, load_config
from shared.config.services import ServiceBlock
from shared.config.trees import same
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
    """A state to put in force. `record` None: no new version (only page memory, or nothing)."""

    state: ConfigState
    pages: Pages
    variables: Mapping[str, Variable] = field(repr=False)
    record: Record | None
    stamp: Stamp
    pages_changed: bool = False

    @property
    def changed(self) -> bool:
        """Whether anything is another one than before."""
        return self.pages_changed or self.record is not None


_NOTHING: Final = Config({})
_EMPTY: Final = ConfigState(_NOTHING, _NOTHING, _NOTHING)


class Configuration:
    """The one writer of the file."""

    def __init__(
        self,
        path: Path,
        run_dir: Path,
        environ: Mapping[str, str],
        home: Path | None = None,
        *,
        log_dir: Path | None = None,
    ) -> None:
        self.path = path
        self.log_dir = log_dir or run_dir.parent / "log"
        self.environ = environ
        self.env_files = tuple(
            dict.fromkeys((path.parent / ".env", (home or path.parent) / ".env"))
        )
        self.history = History(run_dir / "config.versions")
        self.state = _EMPTY
        self.pages = NO_PAGES
        """What web pages remember (`dumb.ui`): nothing here reads it."""
        self.variables: Mapping[str, Variable] = {}
        self.problem = ""
        """Why the file on disk is refused, "" while it is fine."""
        self.pages_revision = time.time_ns() // 1_000_000
        self._seen: Stamp = ABSENT
        self._warned = ""

    # -- what is so ------------------------------------------------------------------------

    @property
    def version(self) -> int:
        """Rises with every change that is not only one of page memory."""
        return self.history.version

    @property
    def file(self) -> Config:
        """What is on the disk, without page memory."""
        return self.state.file

    @property
    def effective(self) -> Config:
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
            state, pages, variables = self._read()
            self.history.load(state)
        except ConfigError as error:
            self.problem, self._seen = str(error), stamp
            self.history.load(None)
            good = next((r for r in reversed(self.history.records) if r.persisted), None)
            pages = self._pages_alone()
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
        self.adopt(Step(state, pages, variables, record, stamp))

    def _pages_alone(self) -> Pages:
        """Page memory of a file whose configuration cannot be used."""
        try:
            return usable(load_config(self.path)[1])
        except ConfigError:
            return NO_PAGES

    def _usable_part(self, error: ConfigError) -> Config:
        """At a first start, a mistake in one service keeps no other down. Raises `ConfigError`."""
        tree, _ = load_config(self.path)
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
        state, pages, variables = self._read()
        moved = not same(pages.value, self.pages.value)
        record = None
        if state.digest != self.state.digest:
            note = "read from the file"
            record = self._record(state, self.state.live, author, note, persisted=True)
            self.history.note(record)
        return Step(state, pages, variables, record, stamp, moved)

    def refuse(self, error: ConfigError, stamp: Stamp) -> None:
        """The file on disk cannot be used: everything stays as it is. On the event loop.

        Args:
            stamp: from before it was read. A file that is written while we look at it was not seen.
        """
        self._seen = stamp
        if str(error) != self.problem:
            _log.error("configuration refused: %s", error)
        self.problem = str(error)

    def _read(self) -> tuple[ConfigState, Pages, Mapping[str, Variable]]:
        tree, pages = load_config(self.path)
        variables = self._variables(tree)
        try:
            state = make_state(tree, {}, variables, str(self.path))
        except ConfigError as error:
            raise with_line(error, self.path) from None
        return state, usable(pages), variables

    def _variables(self, tree: Config) -> Mapping[str, Variable]:
        return read_variables(tree, self.environ, self.env_files)

    # -- changing --------------------------------------------------------------------------

    def change(self, args: Mapping[str, Any], author: Author, running: frozenset[str]) -> Step:
        """Carry out an `update-config`; when this returns it is on the disk. Blocking.

        Raises:
            RefusedError: it cannot be made; nothing has changed.
            StaleError: `reload` first.
        """
        pages, note = self.pages, ""
        if args.get("op") == ConfigOp.RESTORE:
            proposal, note = self._restored(args), f"restore of version {args['version']}"
        else:
            args, posted = read_updates(args)
            proposal = propose(self.state, self.version, args, self.log_dir)
            pages = pages if posted is None else remembered(pages, posted)
        try:
            return self._make(proposal, pages, author, running, note)
        except ConfigError as error:
            raise RefusedError(Refusal.INVALID, _sentence(error, args)) from None

    def transact(
        self, make: Callable[[ConfigState], Proposal], author: Author, running: frozenset[str]
    ) -> Step:
        """Carry out a change that a command of several services consists of. Blocking.

        Raises like `change`.
        """
        try:
            return self._make(make(self.state), self.pages, author, running, "")
        except ConfigError as error:
            raise RefusedError(Refusal.INVALID, str(error).strip()) from None

    def standing(self, record: Record | None = None) -> Step:
        """The step to what is so already. `record`: the version that made it so."""
        return Step(self.state, self.pages, self.variables, record, self._seen)

    def _make(
        self,
        proposal: Proposal,
        pages: Pages,
        author: Author,
        running: frozenset[str],
        note: str,
    ) -> Step:
        """Raises `ConfigError` for what cannot be used, and like `change`."""
        file, patches = proposal
        saved = not same(file, self.file)
        moved = not same(pages.value, self.pages.value)
        if not saved and same(_plain(patches), _plain(self.state.patches)):
            return self._change_pages(pages) if moved else self.standing()
        variables = self._variables(file)
        state = make_state(file, patches, variables)
        check_dependencies(self.state, state)
        check_running(self.state, state, running)
        self._render(state.live, pages)  # a version in memory can be restored
        record = self._record(state, self.state.live, author, note, persisted=saved)
        if saved or moved:
            self._save(state.file, pages, record)
        else:
            self._keep(record)
        stamp = self.stamp() if saved or moved else self._seen
        return Step(state, pages, variables, record, stamp, moved)

    def _change_pages(self, pages: Pages) -> Step:
        """No version, no event; while the file on disk is broken it is left alone."""
        if not self.problem:
            self._save(self.file, pages, None)
        return Step(self.state, pages, self.variables, None, self.stamp(), pages_changed=True)

    def _restored(self, args: Mapping[str, Any]) -> Proposal:
        wanted = args.get("version")
        record = self.history.find(wanted) if type(wanted) is int else None
        if record is None:
            raise RefusedError(Refusal.UNKNOWN_VERSION, f"Version {wanted!s:.20} is not kept.")
        expected = args.get("if_match")
        check_match(expected if isinstance(expected, list) else None, {str(self.version)})
        return record.tree, {}

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

    def _save(self, file: Config, pages: Pages, record: Record | None) -> None:
        if self.problem:
            raise RefusedError(
                Refusal.CONFLICT,
                f"The file on disk cannot be used, repair it first: {self.problem}",
            )
        if self.stamp() != self._seen:
            raise StaleError
        data = self._render(file, pages)
        try:
            if record is not None:
                self.history.prepare(record)
            replace_document(self.path, data, private=holds_secrets(file))
        except (ConfigError, OSError) as error:
            if record is not None:
                self.history.withdraw(record)
            _log.error("the configuration stays as it was: %s", error)
            why = f"The configuration stays as it was: {error}"
            raise RefusedError(Refusal.UNAVAILABLE, why) from error
        if record is not None:
            self.history.confirm(record)

    def _render(self, file: Config, pages: Pages) -> bytes:
        """The bytes of the file: what is written must be readable by the next supervisor.

        Raises:
            RefusedError: it would not be.
        """
        try:
            return render_document(join(file, pages))
        except ConfigError as error:
            large = isinstance(error, TooLargeError)
            refusal = Refusal.TOO_LARGE if large else Refusal.INVALID
            why = f"the file {error.message}" if large else error.message
            raise RefusedError(refusal, f"The configuration stays as it was: {why}.") from None

    # -- putting in force ------------------------------------------------------------------

    def adopt(self, step: Step) -> None:
        """Make it what is so. On the event loop."""
        if step.pages_changed:
            self.pages_revision = max(self.pages_revision + 1, time.time_ns() // 1_000_000)
        self.state, self.pages = step.state, step.pages
        self.variables, self._seen = step.variables, step.stamp
        warning = summary_of(notices(step.state.file, step.state.effective))
        if warning and warning != self._warned:
            _log.warning("%s (details: GET /config?sources=1)", warning)
        self._warned = warning

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
