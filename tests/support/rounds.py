"""How often a test of faults repeats itself: the fixture `rounds`, `DUMB_ROUNDS`, `make soak`."""

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Final

import pytest

DEFAULT: Final = 3
"""In `make test`."""

Rounds = Callable[[int], int]
"""`rounds(whole)`: how many rounds to run of `whole`, the number that `make soak` runs."""

_counts = pytest.StashKey[dict[str, tuple[int, int]]]()


def rounds_of(whole: int, asked: str) -> int:
    """`asked` is a number, which `whole` limits, or `all`; anything else is the default."""
    if asked == "all":
        return whole
    return min(int(asked) if asked.isdecimal() and int(asked) else DEFAULT, whole)


@pytest.fixture
def rounds(request: pytest.FixtureRequest) -> Rounds:
    """Ask how many rounds to run. A test that uses this is a part of `make soak`."""
    counts = request.config.stash.setdefault(_counts, {})

    def ask(whole: int) -> int:
        count = rounds_of(whole, os.environ.get("DUMB_ROUNDS", ""))
        counts[request.node.nodeid] = (count, whole)
        return count

    return ask


@dataclass(eq=False)
class Soak:
    """`--soak`: only tests that repeat themselves, and a table of what they did."""

    counts: dict[str, tuple[int, int]]
    done: list[tuple[str, str, float]] = field(default_factory=list)

    @pytest.hookimpl(trylast=True)
    def pytest_collection_modifyitems(
        self, config: pytest.Config, items: list[pytest.Item]
    ) -> None:
        """Leave out tests that do not ask for rounds."""
        chosen = [item for item in items if "rounds" in getattr(item, "fixturenames", ())]
        config.hook.pytest_deselected(items=[item for item in items if item not in chosen])
        items[:] = chosen

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Remember how each test ended."""
        if report.when == "call" or report.outcome != "passed":
            self.done.append((report.nodeid, report.outcome, report.duration))

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """The table, for the note of an issue."""
        terminalreporter.write_sep("=", "soak")
        for line in self.table():
            terminalreporter.write_line(line)

    def table(self) -> Iterator[str]:
        """Rows of Markdown. Seconds are those of the test itself."""
        yield "| test | rounds | outcome | seconds |"
        yield "|---|---|---|---|"
        for nodeid, outcome, duration in self.done:
            count, whole = self.counts.get(nodeid, (0, 0))
            of = f"{count}" if count == whole else f"{count} of {whole}"
            yield f"| {nodeid.removeprefix('tests/')} | {of} | {outcome} | {duration:.0f} |"


def pytest_addoption(parser: pytest.Parser) -> None:
    """The option of `make soak`."""
    parser.addoption("--soak", action="store_true", help="only tests that repeat themselves")


def pytest_configure(config: pytest.Config) -> None:
    """Set up the table."""
    if config.getoption("--soak"):
        config.pluginmanager.register(Soak(config.stash.setdefault(_counts, {})))
