"""What is refused: with a reason, in reasonable time, and without quoting the file."""

from typing import Any

import pytest

from services.supervisor.appfiles.errors import AppFileError
from services.supervisor.appfiles.formats import (
    INI,
    JSON,
    POSTGRESQL,
    PYTHON,
    RCLONE,
    XML,
    YAML,
    Format,
)
from services.supervisor.appfiles.text import Document
from shared.models.app_config import FileFault

SECRET = "hunter2secret"
LAUGHS = "".join(f'<!ENTITY l{i} "{f"&l{i - 1};" * 10 if i else "ha"}">' for i in range(10))
ALIASES = "a0: &a0 [x]\n" + "".join(
    f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 9)}]\n" for i in range(1, 10)
)
MERGES = "a0: &a0 {k: v}\n" + "".join(
    f"a{i}: &a{i}\n  <<: [{', '.join([f'*a{i - 1}'] * 9)}]\n" for i in range(1, 10)
)

BAD_FILES: list[tuple[str, Format, str]] = [
    ("json cut", JSON, '{"a": "hunter2secret'),
    ("json twice", JSON, '{"hunter2secret": 1, "hunter2secret": 2}'),
    ("json NaN", JSON, '{"a": NaN}'),
    ("json huge number", JSON, '{"a": 1e999}'),
    ("json 65 bits", JSON, '{"a": 36893488147419103232}'),
    ("json surrogate", JSON, '{"a": "\\ud800"}'),
    ("json deep", JSON, "[" * 100_000),
    ("json 65 levels", JSON, '{"a": ' + "[" * 64 + "]" * 64 + "}"),
    ("json empty", JSON, ""),
    ("yaml tag", YAML, "a: !!python/object/apply:os.system [hunter2secret]"),
    ("yaml own tag", YAML, "a: !secret hunter2secret"),
    ("yaml binary", YAML, "a: !!binary aHVudGVyMg=="),
    ("yaml alias bomb", YAML, ALIASES),
    ("yaml merge bomb", YAML, MERGES),
    ("yaml endless alias", YAML, "a: &a [*a]"),
    ("yaml unknown alias", YAML, "a: *b"),
    ("yaml two documents", YAML, "a: 1\n---\nb: 2\n"),
    ("yaml twice", YAML, "a: hunter2secret\na: hunter2secret\n"),
    ("yaml tab", YAML, "a:\n\t- hunter2secret\n"),
    ("yaml open quote", YAML, 'a: "hunter2secret\n'),
    ("yaml deep", YAML, "[" * 5_000),
    ("yaml deep block", YAML, "- " * 1000 + "a"),
    ("yaml many nodes", YAML, "- a\n" * 21_000),
    ("yaml list as key", YAML, "? [a, b]\n: 1\n"),
    ("yaml int", YAML, "a: !!int hunter2secret"),
    ("yaml over 1 MiB", YAML, "# " + "x" * (1 << 20)),
    ("ini no section", INI, "token = hunter2secret\n"),
    ("ini no key", INI, "[a]\n= hunter2secret\n"),
    ("rclone no section", RCLONE, "hunter2secret\n"),
    ("postgres no value", POSTGRESQL, "port =\n"),
    ("postgres open quote", POSTGRESQL, "password = 'hunter2secret\n"),
    ("postgres words", POSTGRESQL, "password = hunter2secret b\n"),
    ("xml laughs", XML, f"<!DOCTYPE a [{LAUGHS}]><a>&l9;</a>"),
    ("xml quadratic", XML, f'<!DOCTYPE a [<!ENTITY b "{"x" * 10000}">]><a>{"&b;" * 10000}</a>'),
    ("xml external", XML, '<!DOCTYPE a [<!ENTITY b SYSTEM "file:///etc/passwd">]><a>&b;</a>'),
    ("xml parameter", XML, '<!DOCTYPE a [<!ENTITY % b SYSTEM "file:///etc/passwd"> %b;]><a/>'),
    ("xml cut", XML, "<a><b>hunter2secret</b>"),
    ("xml text", XML, "hunter2secret"),
    ("xml empty", XML, ""),
    ("xml deep", XML, "<a>" * 100_000 + "</a>" * 100_000),
    ("xml encoding", XML, '<?xml version="1.0" encoding="latin-1"?><a/>'),
    ("python", PYTHON, "password = hunter2secret('\n"),
    ("python deep", PYTHON, "a = " + "-" * 60_000 + "1"),
    ("python brackets", PYTHON, "a = " + "(" * 60_000),
    ("python over 64 KiB", PYTHON, "#" * (65 << 10)),
]  # fmt: skip


def fault(form: Format, data: bytes, *update: Any) -> AppFileError:
    def attempt() -> None:
        document = Document.decode(data)
        if update:
            form.updated(document, update[0])
        else:
            form.shown(document)

    with pytest.raises(AppFileError) as caught:
        attempt()
    assert SECRET not in str(caught.value)
    return caught.value


@pytest.mark.parametrize(
    ("form", "text"), [f[1:] for f in BAD_FILES], ids=[f[0] for f in BAD_FILES]
)
def test_a_bad_file_is_neither_read_nor_changed(form: Format, text: str) -> None:
    wanted = {FileFault.BAD_CONTENT, FileFault.TOO_LARGE}
    assert fault(form, text.encode()).fault in wanted
    update = "A = 1" if form is PYTHON else {"a": {"b": "c"}}
    if form is not PYTHON:  # a broken one may be replaced as a whole
        assert fault(form, text.encode(), update).fault in wanted


@pytest.mark.parametrize(
    ("form", "text"), [f[1:] for f in BAD_FILES], ids=[f[0] for f in BAD_FILES]
)
def test_bad_text_does_not_become_the_file(form: Format, text: str) -> None:
    if text:  # none means: read
        fault(form, b"{}" if form is JSON else b"", text)


@pytest.mark.parametrize(
    ("data", "line"),
    [(b"\xff", 1), (b"a = 1\nb = \xe9\n", 2), (b"a = 1\n\nb\0 = 2\n", 3), (b"\xff\xfea\0", 1)],
)
@pytest.mark.parametrize("form", [JSON, YAML, INI, RCLONE, POSTGRESQL, XML, PYTHON])
def test_what_is_no_text_names_its_line(form: Format, data: bytes, line: int) -> None:
    found = fault(form, data)
    assert found.fault is FileFault.BAD_CONTENT
    assert str(found).startswith(f"Line {line}:")


DEEP: Any = {"a": []}
for _ in range(100):
    DEEP = {"a": DEEP}

BAD_UPDATES: list[tuple[str, Format, bytes, Any]] = [
    ("deep", JSON, b"{}", DEEP),
    ("deep yaml", YAML, b"a: 1\n", DEEP),
    ("a list", JSON, b"{}", [1]),
    ("a number", JSON, b"{}", 1),
    ("json root", JSON, b"[1]", {"a": 1}),
    ("json text root", JSON, b"{}", "[1]"),
    ("json NUL", JSON, b"{}", '{"a": "\0"}'),
    ("yaml root", YAML, b"- a\n", {"a": 1}),
    ("yaml control", YAML, b"a: 1\n", "b: \x01"),
    ("ini value", INI, b"[a]\nb = 1\n", {"a": "hunter2secret"}),
    ("ini list", INI, b"[a]\nb = 1\n", {"a": {"b": ["hunter2secret"]}}),
    ("ini null", INI, b"[a]\nb = 1\n", {"a": {"b": None}}),
    ("ini new section by value", INI, b"[a]\nb = 1\n", {"d": {"e\n[f]": "1"}}),
    ("ini comment in value", INI, b"[a]\nb = 1\n", {"a": {"b": "1\n# hunter2secret"}}),
    ("ini key", INI, b"[a]\nb = 1\n", {"a": {"b=c": "1"}}),
    ("ini key comment", INI, b"[a]\nb = 1\n", {"a": {"#b": "1"}}),
    ("ini section name", INI, b"[a]\nb = 1\n", {"a]\n[x": {"b": "1"}}),
    ("postgres null", POSTGRESQL, b"a = 1\n", {"a": None}),
    ("postgres list", POSTGRESQL, b"a = 1\n", {"a": [1]}),
    ("postgres line", POSTGRESQL, b"a = 1\n", {"a": "1\nb = 2"}),
    ("postgres key", POSTGRESQL, b"a = 1\n", {"a = 1\nb": "2"}),
    ("xml two roots", XML, b"<a/>", {"a": {}, "b": {}}),
    ("xml name", XML, b"<a/>", {"b><c": "1"}),
    ("xml attribute name", XML, b"<a/>", {'@b="1" c': "1"}),
    ("xml control", XML, b"<a/>", {"b": "\x01"}),
    ("xml mixed", XML, b"<a>x<b/>y</a>", {"#text": "z"}),
    ("xml nested list", XML, b"<a/>", {"b": [["1"]]}),
    ("xml text root", XML, b"<a>x</a>", {"b": "1"}),
    ("xml json list", XML, b"<a/>", "[1]"),
    ("python object", PYTHON, b"A = 1\n", {"A": 2}),
    ("python same object", PYTHON, b"A = 1\n", {"A": 1}),
]  # fmt: skip


@pytest.mark.parametrize(
    ("form", "data", "update"), [u[1:] for u in BAD_UPDATES], ids=[u[0] for u in BAD_UPDATES]
)
def test_a_bad_update_is_refused(form: Format, data: bytes, update: Any) -> None:
    assert fault(form, data, update).fault in {FileFault.BAD_UPDATE, FileFault.BAD_CONTENT}


def test_python_says_why_an_object_is_refused() -> None:
    assert "whole new text" in str(fault(PYTHON, b"A = 1\n", {"A": 2}))


def test_python_is_never_run(tmp_path: Any) -> None:
    mark = tmp_path / "ran"
    text = f"open({str(mark)!r}, 'w').close()\nA = 1\n"
    document = Document.decode(text.encode())
    assert PYTHON.shown(document) == {"A": 1}
    assert PYTHON.updated(document, text + "B = 2\n") == text + "B = 2\n"
    assert not mark.exists()


def test_what_json_has_no_number_for_is_text() -> None:
    shown = YAML.shown(
        Document.decode(b"a: .inf\nb: .nan\nc: 99999999999999999999\n7: x\ntrue: y\n")
    )
    assert shown == {"a": ".inf", "b": ".nan", "c": "99999999999999999999", "7": "x", "true": "y"}
    assert YAML.edit("a: .inf\n1: x\n", {"a": ".inf", "1": "y"}) == "a: .inf\n1: y\n"
