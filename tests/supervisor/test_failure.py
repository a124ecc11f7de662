"""Which line of a dead program's output is shown."""

import pytest

from services.supervisor.failure import MAX_CHARS, best_line, describe_exit

PYTHON = """Traceback (most recent call last):
  File "/app/main.py", line 3, in <module>
    open("/nope")
FileNotFoundError: [Errno 2] No such file or directory: '/nope'
""".splitlines()
JAVA = """Exception in thread "main" java.lang.IllegalStateException: Port 8080 is in use
\tat com.example.Main.main(Main.java:5)
\tat java.base/java.lang.Thread.run(Thread.java:840)
""".splitlines()
NODE = """node:internal/modules/cjs/loader:1080
  throw err;
  ^

Error: Cannot find module '/app/server.js'
    at Module._resolveFilename (node:internal/modules/cjs/loader:1077:15)
    at node:internal/main/run_main_module:23:47
""".splitlines()


@pytest.mark.parametrize(
    ("out", "err", "line"),
    [
        ([], [], ""),
        (["", "  "], ["\t"], ""),
        (["hello", "bye"], [], "bye"),
        (["hello"], ["warming up"], "warming up"),
        (["ERROR no disk"], ["warming up"], "ERROR no disk"),
        (["ERROR one", "fine", "done"], [], "ERROR one"),
        (["ERROR one", "FATAL two"], [], "FATAL two"),
        (["error: from out"], ["error: from err"], "error: from err"),
        (["terror in errorless places"], ["plain"], "plain"),
        ([], PYTHON, "FileNotFoundError: [Errno 2] No such file or directory: '/nope'"),
        (
            [],
            JAVA,
            'Exception in thread "main" java.lang.IllegalStateException: Port 8080 is in use',
        ),
        ([], NODE, "Error: Cannot find module '/app/server.js'"),
        ([], ["panic: runtime error", "goroutine 1 [running]:"], "panic: runtime error"),
    ],
)
def test_best_line(out: list[str], err: list[str], line: str) -> None:
    assert best_line(out, err) == line


def test_the_line_is_stripped_and_cut() -> None:
    assert best_line([], ["  error " + "x" * 900]) == "error " + "x" * (MAX_CHARS - 6)


@pytest.mark.parametrize(
    ("code", "signal_name", "words"),
    [
        (3, "", "exit code 3"),
        (0, "", "exit code 0"),
        (None, "SIGKILL", "killed by SIGKILL"),
        (None, "", "exit code unknown"),
    ],
)
def test_describe_exit(code: int | None, signal_name: str, words: str) -> None:
    assert describe_exit(code, signal_name).startswith(words)
