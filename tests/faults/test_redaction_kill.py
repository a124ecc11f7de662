"""The supervisor is killed while secrets of several lines come in: none of them gets out."""

import os
import random
import sys
import time
from pathlib import Path

from shared.logformat import strip_ansi
from shared.models.log import output_log
from tests.shared.corpus import samples
from tests.supervisor.live import service, tree
from tests.support.supervisor import SupervisorProcess
from tests.support.wait import wait_until_sync

TIMES = 6
"""The program says everything that often."""

PROGRAM = """
import random, sys, time
data = open(sys.argv[1], "rb").read()
own = open(sys.argv[2], "ab", buffering=0)
rng = random.Random(sys.argv[3])
at = 0
while at < len(data):
    size = rng.choice([1, 7, 100, 900])
    sys.stdout.buffer.write(data[at : at + size])
    sys.stdout.buffer.flush()
    own.write(data[at : at + size])
    at += size
    time.sleep(0.001)
time.sleep(1000)
"""


def test_killed_while_secrets_come_in(tmp_path: Path, redis_url: str) -> None:
    seed = os.environ.get("DUMB_FAULT_SEED") or str(random.SystemRandom().randrange(1 << 32))
    print(f"DUMB_FAULT_SEED={seed}")
    rng = random.Random(seed)
    raw = b"".join(sample.raw for sample in samples()) * TIMES + b"the end\n"
    shown = b"".join(sample.expected for sample in samples()) * TIMES + b"the end\n"
    script = tmp_path / "say.py"
    script.write_text(PROGRAM, "utf-8")
    (tmp_path / "raw").write_bytes(raw)
    own = tmp_path / "home" / "work" / "talker" / "own.log"
    own.parent.mkdir(parents=True)
    command = [sys.executable, "-I", "-S", str(script), str(tmp_path / "raw"), str(own), seed]
    block = service("talker", command, log_file=str(own))
    boss = SupervisorProcess(tmp_path / "home", redis_url, tree(block))
    try:
        boss.start()
        assert boss.run("start", "talker")["status"] == "succeeded"
        for _ in range(int(os.environ.get("DUMB_ROUNDS", "3"))):
            time.sleep(rng.uniform(0.05, 0.4))  # the fault itself, not a synchronisation
            boss.kill()
            boss.start()
        names = ("talker", output_log("talker"))
        for name in names:
            wait_until_sync(
                lambda name=name: boss.log(name).endswith(b"the end\n"),  # type: ignore[misc]
                timeout=60,
                what=f"the last line in {name}",
            )
        assert boss.log("talker") == shown
        decorated = boss.log(output_log("talker")).splitlines()
        lines = [line.split(b"talker subprocess: ", 1)[1] for line in decorated]
        assert lines == strip_ansi(shown).splitlines()
    finally:
        boss.close()
