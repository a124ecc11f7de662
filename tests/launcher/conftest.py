import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.launcher.running import Running


@pytest.fixture
def running() -> Iterator[Running]:
    """A fresh data directory under a short path, so that the unix socket has its place."""
    directory = Path(tempfile.mkdtemp(prefix="dumb-up-"))
    one = Running(directory)
    try:
        yield one
    finally:
        one.close()
        shutil.rmtree(directory)
