"""The formats of real applications: exact outcomes, ordinary lines, and cuts at any byte."""

import json
import random

import pytest

from shared.redaction import Redactor, redact
from tests.shared.corpus import Sample, samples
from tests.shared.ordinary import ordinary_lines

SAMPLES = samples()
ids = [sample.name for sample in SAMPLES]


@pytest.mark.parametrize("sample", SAMPLES, ids=ids)
def test_the_exact_outcome(sample: Sample) -> None:
    found = redact(sample.raw).split(b"\n")
    wanted = sample.expected.split(b"\n")
    for raw, one, other in zip(sample.raw.split(b"\n"), found, wanted, strict=True):
        assert one == other, raw
    assert redact(sample.expected) == sample.expected


@pytest.mark.parametrize("sample", SAMPLES, ids=ids)
def test_with_windows_line_ends(sample: Sample) -> None:
    raw = sample.raw.replace(b"\n", b"\r\n")
    assert redact(raw) == sample.expected.replace(b"\n", b"\r\n")


def test_it_is_large_enough() -> None:
    lines = sum(len(sample.marked.splitlines()) for sample in SAMPLES)
    secret = sum("«" in line for sample in SAMPLES for line in sample.marked.splitlines())
    assert lines >= 350
    assert secret >= 250


def test_ordinary_lines_stay() -> None:
    lines = [line.encode() for line in ordinary_lines()]
    assert len(lines) == 2000
    shown = redact(b"\n".join(lines)).split(b"\n")
    changed = [line for line, after in zip(lines, shown, strict=True) if line != after]
    assert len(changed) <= len(lines) * 0.005, changed


# -- states --------------------------------------------------------------------------------


def _resumed(state: object) -> Redactor:
    """What a successor makes of a committed position."""
    return Redactor(json.loads(json.dumps(state)))


@pytest.mark.parametrize("sample", SAMPLES, ids=ids)
def test_a_successor_at_every_line_shows_what_one_redactor_shows(sample: Sample) -> None:
    at = shown = 0
    redactor = Redactor()
    for line in sample.raw.splitlines(keepends=True):
        shown += len(redactor.lines(line))
        at += len(line)
        assert len(json.dumps(redactor.state)) < 150
        rest = _resumed(redactor.state).lines(sample.raw[at:])
        assert rest == sample.expected[shown:], line
    assert shown == len(sample.expected)


@pytest.mark.parametrize("sample", SAMPLES, ids=ids)
def test_any_blocks_of_lines_show_the_same(sample: Sample) -> None:
    rng = random.Random(sample.name)
    lines = sample.raw.splitlines(keepends=True)
    for _ in range(20):
        redactor, shown, at = Redactor(), b"", 0
        while at < len(lines):
            size = rng.randrange(1, 9)
            shown += redactor.lines(b"".join(lines[at : at + size]))
            redactor, at = _resumed(redactor.state), at + size
        assert shown == sample.expected


def _parts(line: bytes, limit: int) -> bytes:
    """A line that is cut at `limit`, by one redactor after another."""
    redactor, shown = Redactor(), b""
    size = redactor.split(line, limit)
    assert 0 < size <= limit
    shown += redactor.part(line[:size])
    return shown + _resumed(redactor.state).lines(line[size:])


def test_a_line_that_is_cut_anywhere_gives_nothing_away() -> None:
    rng = random.Random(14)
    lines = [
        b"starting up, " + line + b" and the end"
        for sample in SAMPLES
        for line in sample.raw.splitlines()
        if len(line) < 250 and b"[REDACTED]" in redact(line)
    ]
    for raw in rng.sample(lines, 60):
        wanted = redact(raw)
        for limit in range(1, len(raw)):
            shown = _parts(raw, limit)
            assert shown.replace(b"[REDACTED][REDACTED]", b"[REDACTED]") == wanted, (limit, raw)


@pytest.mark.parametrize(
    ("head", "tail", "shown"),
    [
        (b'x "token": "', b'", "n": 1', b'", "n": 1'),
        (b"Authorization: ", b" and, more", b""),
        (b"x password=", b" rest", b" rest"),
        (b"GET /x?apikey=", b"&page=2", b"&page=2"),
        (b'{"tokens": ["', b'", "n2"], "n": 1}', b'", "[REDACTED]"], "n": 1}'),
        (b'{"a":"{\\"token\\":\\"', b'\\",\\"n\\":1}"}', b'\\",\\"n\\":1}"}'),
        (b"<ApiKey>", b"</ApiKey> n", b"</ApiKey> n"),
        (b"-----BEGIN PRIVATE KEY-----", b"-----END A-----", b"-----END A-----"),
    ],
)  # fmt: skip
def test_a_secret_longer_than_its_line_may_be(head: bytes, tail: bytes, shown: bytes) -> None:
    secret = b"0123456789abcdef" * 4096
    line = head + secret + tail
    redactor, found = Redactor(), b""
    while len(line) > 20_000:
        size = redactor.split(line, 20_000)
        found += redactor.part(line[:size]) + b"|"
        redactor, line = _resumed(redactor.state), line[size:]
    found += redactor.lines(line + b"\nnext token=abc\n")
    assert found.startswith(head)
    assert b"0123" not in found
    assert found.endswith(shown + b"\nnext token=[REDACTED]\n")


@pytest.mark.parametrize(
    "state",
    [None, "", 5, [], ["quote"], ["quote", 1, 20, False], ["pem", "x", 3, False], {"kind": "pem"},
     ["later", "", 1, False], ["quote", '0"', True, False], [1, 2, 3, 4], ["nest", "", 5, False],
     ["quote", "", 5, False], ["nest", "9[", 5, False], ["quote", 'x"', 5, False]],
)  # fmt: skip
def test_a_state_that_is_none_counts_as_none(state: object) -> None:
    assert Redactor(state).lines(b"abc\ndef\n") == b"abc\ndef\n"


def test_a_quote_that_is_never_closed_hides_a_few_lines_only() -> None:
    shown = redact(b'token: "abc\n' + b"plain\n" * 100).splitlines()
    assert shown[0] == b'token: "[REDACTED]'
    assert shown.count(b"[REDACTED]") == 20
    assert shown.count(b"plain") == 80
