"""`dumb config edit`: the document in an editor. What was typed is never lost."""

import json
import os
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from services.cli.client import AwayError, Client, RefusedError
from services.cli.config.document import Document, plan, read_document, save
from services.cli.config.keys import fault
from services.cli.terminal import Terminal
from shared.config.document import parse_strict
from shared.config.trees import Path as KeyPath
from shared.config.trees import value_at, with_value
from shared.errors import DumbError

EDITORS: Final = ("sensible-editor", "nano", "vi")
INTERRUPTED: Final = 130


class KeptError(DumbError):
    """The change was not made; the message says where the text is."""

    code = "kept"

    def __init__(self, error: BaseException, file: Path) -> None:
        why = str(error) or "Interrupted."
        super().__init__(f"{why}\nYour text is kept in {file}. {_advice(error)}")
        code = error.exit_code if isinstance(error, DumbError) else INTERRUPTED
        self.exit_code = code  # type: ignore[misc, assignment]


@dataclass(frozen=True, slots=True)
class Editing:
    """A document, or the part of it at `base`, as text in a file."""

    client: Client
    terminal: Terminal
    document: Document
    base: KeyPath
    apply: bool

    def run(self, editor: list[str], environ: Mapping[str, str]) -> None:
        """Open, check, save. What is refused may be edited again, on a terminal.

        Raises:
            DumbError: nothing was changed, or it is not known; it says where the text is.
        """
        part = value_at(self.document.tree, self.base)
        before = json.dumps(part, indent=4, ensure_ascii=False) + "\n"
        file = _write(before, environ.get("TMPDIR"))
        try:
            while True:
                _open(editor, file, environ)
                try:
                    self._save(before, _read(file))
                    break
                except DumbError as error:
                    if not self._again(error):
                        raise
        except (DumbError, KeyboardInterrupt) as error:
            if _read(file) != before:
                raise KeptError(error, file) from error
            shutil.rmtree(file.parent)
            raise
        shutil.rmtree(file.parent)

    def _save(self, before: str, text: str) -> None:
        try:
            tree: Any = parse_strict(text)
        except (ValueError, RecursionError) as error:
            why = fault(error) if isinstance(error, ValueError) else "nested too deeply"
            raise DumbError(f"This is no JSON, {why}.") from error
        if not isinstance(tree, dict):
            raise DumbError("This is no JSON object.")
        whole = with_value(self.document.tree, self.base, tree) if self.base else tree
        change = None if text == before else plan(self.document, whole)
        if change is None:
            print("Nothing was changed.")
        else:
            save(self.client, self.terminal, change, apply=self.apply)

    def _again(self, error: DumbError) -> bool:
        """Whether to open the editor once more. After a conflict that would conflict again."""
        hopeless = isinstance(error, AwayError) or (
            isinstance(error, RefusedError) and error.status in {401, 403, 412, 503}
        )
        if hopeless or not sys.stdin.isatty():
            return False
        self.terminal.note(str(error))
        return self.terminal.agrees("Edit again? [Y/n] ", default=True)


def edit(
    client: Client,
    terminal: Terminal,
    environ: Mapping[str, str],
    service: str,
    *,
    reveal: bool,
    apply: bool,
) -> None:
    """Edit the document, or the block of a service. Raises as `Editing.run` does."""
    editor = find_editor(environ)
    document = read_document(client, reveal=reveal)
    base = document.base(service)
    Editing(client, terminal, document, base, apply).run(editor, environ)


def find_editor(environ: Mapping[str, str]) -> list[str]:
    """The command that `VISUAL` or `EDITOR` names, else one of this machine. Raises `DumbError`."""
    for name in ("VISUAL", "EDITOR"):
        try:
            command = shlex.split(environ.get(name, ""))
        except ValueError:
            raise DumbError(f"{name} cannot be understood: its quotes do not match.") from None
        if command:
            return command
    for name in EDITORS:
        if shutil.which(name):
            return [name]
    raise DumbError("No editor was found: set EDITOR to one.")


def _write(text: str, directory: str | None) -> Path:
    """A file for nobody else's eyes: it may hold secrets."""
    file = Path(tempfile.mkdtemp(prefix="dumb-config-", dir=directory)) / "config.json"
    descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as out:
        out.write(text)
    return file


def _read(file: Path) -> str:
    return file.read_text(encoding="utf-8", errors="surrogateescape")


def _open(editor: list[str], file: Path, environ: Mapping[str, str]) -> None:
    # Ctrl-C is the editor's while it runs. A handler is not inherited, being deaf would be.
    own = signal.signal(signal.SIGINT, lambda *_: None)
    try:
        code = subprocess.run([*editor, str(file)], env=dict(environ), check=False).returncode
    except OSError as error:
        raise DumbError(
            f"The editor '{editor[0]}' cannot be started ({error.strerror}): set EDITOR to another."
        ) from error
    finally:
        signal.signal(signal.SIGINT, own)
    if code:
        raise DumbError(f"The editor '{editor[0]}' ended with exit code {code}.")


def _advice(error: BaseException) -> str:
    if isinstance(error, RefusedError) and error.status == 412:
        return "`dumb config versions` shows who was faster; `dumb config edit` again, and compare."
    return "Nothing was changed."
