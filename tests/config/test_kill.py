"""The supervisor is killed while it saves. `bench/config.py` does the same for 1,000 updates."""

from pathlib import Path

from tests.support.config_kills import kill_at_random
from tests.support.supervisor import SupervisorProcess

WEB = {"web": {"process_name": "Web", "enabled": False, "command": ["sleep", "100"]}}


def test_the_file_is_old_or_new_and_the_version_agrees(redis_url: str, tmp_path: Path) -> None:
    boss = SupervisorProcess(tmp_path / "home", redis_url, WEB)
    try:
        boss.start()
        tally = kill_at_random(boss, updates=100, seed=7)
    finally:
        boss.close()
    assert tally.kills >= 8
    assert tally.between >= 1, "no kill came in time: this has tested nothing"
