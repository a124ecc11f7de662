"""Jobs programs of a test's own."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.support.jobs import JobsProcess

MakeJobs = Callable[..., JobsProcess]


@pytest.fixture
def make_jobs(tmp_path: Path, redis_url: str) -> Iterator[MakeJobs]:
    """`make_jobs("a", real=True)`: programs on directories of their own, one Redis."""
    with ExitStack() as stack:

        def make(name: str = "home", *, real: bool = False) -> JobsProcess:
            program = JobsProcess(tmp_path / name, redis_url, real=real)
            stack.callback(program.close)
            return program

        yield make


@pytest.fixture
def jobs(make_jobs: MakeJobs) -> JobsProcess:
    """One stand-in that runs."""
    program = make_jobs()
    program.start()
    return program
