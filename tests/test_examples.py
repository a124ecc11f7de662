"""What people copy out of documents works on any day: no example holds an absolute time."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer

from services.api.app import create_app
from services.api.openapi.document import operations
from services.cli.app import build
from shared.bus.keys import Keys

PROJECT = Path(__file__).resolve().parents[1]
ABSOLUTE = re.compile(
    r"(?<![\d.])1[0-9]{9}([0-9]{3})?(?![\d.])"  # epoch seconds or milliseconds
    r"|\b20\d\d-[01]\d-[0-3]\d"
    r"|\b(Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)\w* +\d{1,2},? +20\d\d"
)
DOCUMENTS = sorted(
    path
    for pattern in ("*.md", "docs/**/*.md", "docker-compose.yml", "deploy/**/*.yml", "*.json")
    for path in PROJECT.glob(pattern)
)


def _code(text: str) -> list[str]:
    """What is set as code: what a reader copies."""
    return re.findall(r"```.*?```|`[^`\n]+`", text, re.DOTALL)


@pytest.mark.parametrize(
    "text",
    ["expires_at_ms 1790000000000", "since=1790000000", "--since 2026-11-24", "Nov 23, 2026 22:20"],
)
def test_an_absolute_time_is_seen(text: str) -> None:
    assert ABSOLUTE.search(text)


@pytest.mark.parametrize(
    "text", ["port 18080", "8388608", "10.0.0.1790000000", "YYYY-MM-DD", "0.1"]
)
def test_other_numbers_are_none(text: str) -> None:
    assert not ABSOLUTE.search(text)


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda p: str(p.relative_to(PROJECT)))
def test_documents_hold_no_absolute_time(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    parts = _code(text) if path.suffix == ".md" else [text]
    assert [part for part in parts if ABSOLUTE.search(part)] == []


def _sent(document: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    """What a reader of the OpenAPI document sends: bodies and parameters."""
    for method, path, operation in operations(document):
        where = f"{method} {path}"
        yield where, operation.get("requestBody")
        yield where, operation.get("parameters")


def test_requests_of_the_openapi_document_hold_no_absolute_time() -> None:
    document = create_app("redis://127.0.0.1:1/0", Keys()).openapi()
    sent = [(where, repr(part)) for where, part in _sent(document) if part]
    assert len(sent) > 50
    assert [(where, text) for where, text in sent if ABSOLUTE.search(text)] == []


def _helps(command: Any, name: str) -> Iterator[tuple[str, str]]:
    yield name, command.help or ""
    for parameter in command.params:
        yield f"{name} {parameter.name}", getattr(parameter, "help", None) or ""
    for word, inner in getattr(command, "commands", {}).items():
        yield from _helps(inner, f"{name} {word}")


def test_helps_of_the_command_line_hold_no_absolute_time() -> None:
    helps = list(_helps(typer.main.get_command(build()), "dumb"))
    assert any(name == "dumb logs since" and text for name, text in helps)
    assert [(name, text) for name, text in helps if ABSOLUTE.search(text)] == []
