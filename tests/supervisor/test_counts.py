"""Commands and lines are counted where they become facts: once, in the script that says so."""

from pathlib import Path
from typing import Any

from tests.supervisor.live import shell, supervisor
from tests.support.redis_server import PrivateRedis
from tests.support.wait import wait_until_sync

COMMANDS = (
    ("start", "Talker", "a"),
    ("stop", "Talker", "b"),
    ("start", "No such", "c"),
    ("start", "Talker", "a"),
)
"""The last one is the first one again: it runs once, and is counted once."""


def test_commands_and_lines_of_a_real_supervisor(
    tmp_path: Path, private_redis: PrivateRedis
) -> None:
    block = shell("Talker", "echo one; echo two; exec sleep 1000")
    with supervisor(tmp_path, private_redis, block) as boss:

        def counts(ending: str) -> dict[str, str]:
            found: Any = boss.redis.hgetall("dumb:commands:counts")
            texts = {key.decode(): value.decode() for key, value in found.items()}
            return {key: value for key, value in texts.items() if key.endswith(ending)}

        for action, name, command_id in COMMANDS:
            fields: dict[Any, Any] = {"action": action, "process_name": name, "id": command_id}
            boss.redis.xadd("dumb:commands", fields)
            if action == "start" and command_id == "a":
                wait_until_sync(lambda: boss.redis.hget("dumb:logmeta:Talker", "lines") == b"2")
        expected = {
            "start|succeeded|count": "1",
            "stop|succeeded|count": "1",
            "start|rejected|count": "1",
        }
        wait_until_sync(lambda: counts("|count") == expected, timeout=15)
        boss.wait_acknowledged()
        assert counts("|count") == expected
        assert float(counts("start|succeeded|sum")["start|succeeded|sum"]) > 0
        assert counts("start|succeeded|le300") == {"start|succeeded|le300": "1"}
        assert boss.redis.hget("dumb:logmeta:Talker", "lost") == b"0"
