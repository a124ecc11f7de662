"""schemathesis over every operation: no fault of ours, nothing that the document does not say."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import orjson
import pytest

from tests.clients.conftest import Stack

CHECKS = (
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_schema_conformance",
)
SECONDS = os.environ.get("DUMB_FUZZ_S", "40")
"""For each role; `DUMB_FUZZ_S` gives more for a search. How many cases that makes is the machine's
affair (3,400 on two idle cores)."""

MAY_FAIL = {
    "POST /process/start-service",
    "POST /process/restart-service",
    "POST /process/actions",
    "POST /process/start-core-service",
}
"""A start that fails is a 500 with its reason (contract rest.md 3.3)."""


@pytest.mark.timeout(600)
@pytest.mark.parametrize("role", ["viewer", "admin"])
def test_no_answer_surprises(stack: Stack, role: str, tmp_path: Path) -> None:
    report = tmp_path / "report.json"
    made = subprocess.run(
        [
            Path(sys.executable).parent / "schemathesis", "run", stack.document,
            "--url", stack.base, "--header", f"Authorization: Bearer {stack.token(role)}",
            "--phases", "examples,coverage,fuzzing", "--checks", ",".join(CHECKS),
            "--max-time", SECONDS, "--max-examples", "5", "--seed", "1", "--no-shrink",
            "--continue-on-failure", "--generation-database", "none", "--warnings", "off",
            "--report", "json", "--report-json-path", report,
        ],
        cwd=tmp_path, capture_output=True, text=True, check=False, timeout=500,
    )  # fmt: skip
    found = orjson.loads(report.read_bytes())
    assert found["errors"] == [], made.stdout
    assert found["test_cases"]["generated"] > 100
    assert _surprises(found["failures"]) == [], made.stdout
    for api in stack.running.apis:
        assert "Traceback" not in api.printed()
        assert api.process.poll() is None


def _surprises(failures: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The failures that are not just a start that failed."""
    return [
        failure
        for failure in failures
        if failure["type"] != "ServerError" or not MAY_FAIL.issuperset(failure["operations"])
    ]
