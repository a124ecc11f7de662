"""`make compose-test`: the containers of docker-compose.yml, brought up, hurt and asked.

Prints a table in Markdown. Where there is no engine it says why, and that is no failure.
`python -m tests.compose STEP...` runs the steps with these numbers only, besides the first two.
"""

import sys
import time

from tests.compose.engine import Failed, NoEngineError, docker, find_compose
from tests.compose.stack import Stack
from tests.compose.steps import STEPS

_ERRORS = (Failed, TimeoutError, OSError, ValueError, KeyError, AssertionError)


def main(numbers: list[str]) -> int:
    """0 when every step did what it should, or there is no engine."""
    try:
        command = find_compose()
    except NoEngineError as error:
        print(f"compose-test skipped: {error}.")
        return 0
    wanted = {1, 2, *map(int, numbers)} if numbers else set(range(1, len(STEPS) + 1))
    stack = Stack(command)
    rows, failed = [], 0
    try:
        for number, (title, step) in enumerate(STEPS, 1):
            if number not in wanted:
                continue
            began = time.monotonic()
            try:
                outcome = f"ok: {step(stack)}"
            except _ERRORS as error:
                outcome, failed = f"**failed**: {error}", failed + 1
            rows.append(f"| {number} | {title} | {outcome} | {time.monotonic() - began:.0f} s |")
            print(rows[-1], flush=True)
            if failed and number <= 2:
                break
        if failed:
            print(stack.compose.run("logs", "--tail", "40", check=False)[-12000:], file=sys.stderr)
    finally:
        stack.close()
    engine = docker("version", "--format", "{{.Server.Version}}")
    print(f"\nDocker {engine}, Compose {stack.version_of_compose}\n")
    print("| | What | Outcome | Took |\n|---|---|---|---|")
    print("\n".join(rows))
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
