"""The configuration as the API gives it, and the one request that a change of it takes."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from services.cli.client import LONG_S, Client
from services.cli.config.keys import locate
from services.cli.terminal import Terminal
from shared.config.names import resolve
from shared.config.pages import config_of
from shared.config.services import walk_services
from shared.config.trees import MISSING, Path, differences, etag_of, value_at, with_value
from shared.errors import DumbError


@dataclass(frozen=True, slots=True)
class Document:
    """What is in force. `overridden`: variable by path; `memory`: what is not in the file."""

    tree: dict[str, Any]
    version: str
    overridden: Mapping[Path, str]
    memory: frozenset[Path]

    def base(self, service: str) -> Path:
        """The path of a service's block; the root for "". Raises `DumbError`."""
        if not service:
            return ()
        blocks = {block.process_name: block.path for block in walk_services(config_of(self.tree))}
        return tuple(blocks[resolve(blocks, service)])

    def path(self, key: str, base: Path = ()) -> Path:
        """The path that was typed, below `base`."""
        return (*base, *locate(value_at(self.tree, base), key)) if key else base

    def remarks(self, path: Path) -> list[str]:
        """Where values at or below `path` come from, if not from the file."""
        variables = [
            f"'{'.'.join(at)}' is decided by {name}, not by the file."
            for at, name in self.overridden.items()
            if at[: len(path)] == path or path[: len(at)] == at
        ]
        memory = [
            f"'{'.'.join(at)}' is in memory only, until the supervisor restarts."
            for at in sorted(self.memory)
            if at[: len(path)] == path or path[: len(at)] == at
        ]
        return variables + memory


@dataclass(frozen=True, slots=True)
class Change:
    """A body of `POST /config`, and the `ETag` that it rests on."""

    body: dict[str, Any]
    etag: str


def read_document(client: Client, *, reveal: bool) -> Document:
    """Secrets are `***` unless `reveal`, which is noted in the audit trail. Raises `DumbError`."""
    query = {"sources": "1"} if reveal else {"sources": "1", "masked": "1"}
    found = client.get("/config", query)
    return Document(
        found["config"],
        str(found.get("version", "")),
        {tuple(e["path"]): str(e["name"]) for e in found.get("overridden", [])},
        frozenset(tuple(path) for path in found.get("memory", [])),
    )


def plan(document: Document, after: dict[str, Any], *, memory: bool = False) -> Change | None:
    """From the tree as it ought to be to the one request that makes it so; None: nothing changed.

    Within one service's block values are replaced; changes in several places are merged into the
    document. `memory`: not into the file.

    Raises:
        DumbError: no request can do it.
    """
    changes = list(differences(document.tree, after))
    if not changes:
        return None
    for block in walk_services(config_of(document.tree)):
        path = tuple(block.path)
        if all(at[: len(path)] == path and len(at) > len(path) for at, _, _ in changes):
            own = [*(at[len(path)] for at, _, _ in changes)]
            updates = {key: value_at(after, (*path, key)) for key in own}
            _check_kept({(*path, key): value for key, value in updates.items()})
            body = {"process_name": block.process_name, "updates": updates, "persist": not memory}
            return Change(body, etag_of(block.block))
    if memory:
        raise DumbError("Only values of one service can be changed in memory alone.")
    _check_kept({at: value for at, _, value in changes})
    merged: dict[str, Any] = {}
    for at, _, value in changes:
        merged = with_value(merged, at, value)
    return Change({"updates": merged}, document.version)


def _check_kept(values: Mapping[Path, Any]) -> None:
    gone = [".".join(path) for path, value in values.items() if value is MISSING]
    if gone:
        raise DumbError(
            f"Keys cannot be removed this way: {', '.join(gone)}. Set them to null or to an empty "
            "value, or edit the file itself: it is taken over within a second."
        )


def save(client: Client, terminal: Terminal, change: Change, *, apply: bool) -> None:
    """Make the change and say what came of it.

    Raises:
        RefusedError: it was not made; 412 when somebody else was faster.
        DumbError: the API does not answer.
    """
    answer = client.send(
        "POST",
        "/config",
        timeout=LONG_S,
        json=change.body,
        params={"apply": "restart"} if apply else {},
        headers={"If-Match": f'"{change.etag}"'},
    )
    tree, version = answer.tree, answer.headers.get("x-config-version", "")
    where = "in memory" if tree.get("persisted") is False else "in the file"
    print(f"Changed {where}; version {version or 'unknown'}.")
    for name in tree.get("overridden", []):
        terminal.note(f"{name} of the environment goes on deciding a value that was sent.")
    tell_restarts(terminal, tree)


def tell_restarts(terminal: Terminal, tree: Mapping[str, Any]) -> None:
    """What was restarted, or has to be."""
    restarted = {entry["process_name"]: entry for entry in tree.get("restarted") or []}
    for name, entry in restarted.items():
        why = f": {entry['detail']}" if entry["status"] == "failed" else ""
        print(f"{name}: {entry['status']}{why}")
    waiting = [name for name in tree.get("restart_required", []) if name not in restarted]
    if waiting:
        names = " ".join(f"'{name}'" for name in waiting)
        terminal.note(f"Running with old values until: dumb restart {names}")
