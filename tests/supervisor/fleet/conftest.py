"""What the tests of the fleet share."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from services.supervisor.journal import Journal
from tests.supervisor.fleet.standins import Asked


@pytest.fixture
def asked(tmp_path: Path) -> Iterator[Asked]:
    journal = Journal(tmp_path / "journal.jsonl")
    yield Asked(journal)
    journal.close()
