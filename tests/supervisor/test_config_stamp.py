"""A file that is being written while it is read is looked at again."""

from pathlib import Path

import orjson
import pytest

from services.supervisor.configuration import Author, Configuration
from shared.errors import ConfigError

GOOD = {"dumb": {"api_service": {"process_name": "DUMB API", "port": 8000}}}


def test_what_was_completed_while_half_of_it_was_read_is_not_taken_for_seen(tmp_path: Path) -> None:
    path = tmp_path / "dumb_config.json"
    path.write_bytes(orjson.dumps(GOOD))
    (tmp_path / "run").mkdir()
    config = Configuration(path, tmp_path / "run", {}, tmp_path)
    config.load()
    whole = orjson.dumps({**GOOD, "puid": 1234})
    path.write_bytes(whole[: len(whole) // 2])  # an editor that does not replace the file
    stamp = config.stamp()
    with pytest.raises(ConfigError) as caught:
        config.reload(Author("file", "file"))
    path.write_bytes(whole)  # before the refusal is noted
    config.refuse(caught.value, stamp)
    assert config.problem
    assert config.changed_on_disk()
    config.accept()
    config.adopt(config.reload(Author("file", "file")))
    assert config.effective["puid"] == 1234
    assert not config.changed_on_disk()
