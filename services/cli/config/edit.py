"""`dumb config edit`: the document in an editor. What was typed is never lost."""

import json
import os
import shlex
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping
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


class KeptError(DumbError):
    """The change was not made; the message says where the text is."""

    code = "kept"

    def __init__(self, error: DumbError, file: Path, advice: str) -> None:
        super().__init__(f"{error}\nYour text is kept in {file}. {advice}")
        self.exit_code = error.exit_code  # type: ignore[misc]


def edit(
    client: Client,
    terminal: Terminal,
    environ: Mapping[str, str],
    service: str,
    *,
    reveal: bool,
    apply: bool,
) -> None:
    """Open, check, save. What is refused may be edited again, on a terminal.

    Raises:
        DumbError: nothing was changed, or it is not known; the message says where the text is.
    """
    editor = find_editor(environ)
    document = read_document(client, reveal=reveal)
    base = document.base(service)
    before = json.dumps(value_at(document.tree, base), indent=4, ensure_ascii=False) + "\n"
    file = _write(before, environ.get("TMPDIR"))
    try:
        while True:
            _run(editor, file, environ)
            text = file.read_text(encoding="utf-8", errors="surrogateescape")
            if text == before:
                print("Nothing was changed.")
                break
            try:
                _save(client, terminal, document, base, text, apply=apply)
                break
            except DumbError as error:
                if not _again(terminal, error):
                    raise KeptError(error, file, _advice(error)) from error
    except KeptError:
        raise
    except DumbError as error:  # the editor failed
        if file.read_text(encoding="utf-8", errors="surrogateescape") != before:
            raise KeptError(error, file, "Nothing was changed.") from error
        shutil.rmtree(file.parent)
        raise
    shutil.rmtree(file.parent)


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


def _run(editor: list[str], file: Path, environ: Mapping[str, str]) -> None:
    try:
        code = subprocess.run([*editor, str(file)], env=dict(environ), check=False).returncode
    except OSError as error:
        raise DumbError(
            f"The editor '{editor[0]}' cannot be started ({error.strerror}): set EDITOR to another."
        ) from error
    if code:
        raise DumbError(f"The editor '{editor[0]}' ended with exit code {code}.")


def _save(
    client: Client, terminal: Terminal, document: Document, base: KeyPath, text: str, *, apply: bool
) -> None:
    try:
        tree: Any = parse_strict(text)
    except (ValueError, RecursionError) as error:
        why = fault(error) if isinstance(error, ValueError) else "nested too deeply"
        raise DumbError(f"This is no JSON, {why}.") from error
    if not isinstance(tree, dict):
        raise DumbError("This is no JSON object.")
    change = plan(document, with_value(document.tree, base, tree) if base else tree)
    if change is None:
        print("Nothing was changed.")
    else:
        save(client, terminal, change, apply=apply)


def _again(terminal: Terminal, error: DumbError) -> bool:
    """Whether to open the editor once more. After a conflict that would only conflict again."""
    hopeless = isinstance(error, AwayError) or (
        isinstance(error, RefusedError) and error.status in {401, 403, 412, 503}
    )
    if hopeless or not sys.stdin.isatty():
        return False
    terminal.note(str(error))
    return terminal.agrees("Edit again? [Y/n] ", default=True)


def _advice(error: DumbError) -> str:
    if isinstance(error, RefusedError) and error.status == 412:
        return "`dumb config versions` shows who was faster; `dumb config edit` again, and compare."
    return "Nothing was changed."
