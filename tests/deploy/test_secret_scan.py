"""The scan of `make lint` finds secrets, and does not complain about what is none."""

from pathlib import Path

import pytest

from deploy.secret_scan import FORMS, findings, plugins_for, tracked

GITHUB = "ghp_" + "a1B2c3D4e5F6g7H8i9J0k1L2m3N4o5P6q7R8"
AWS = "AKIA" + "Q3EGRMYZW5X7TNKV"
KEY = "-----BEGIN RSA " + "PRIVATE KEY-----"


@pytest.mark.parametrize(
    ("name", "text", "kinds"),
    [
        ("services/x.py", f"token = '{GITHUB}'", ["GitHub Token"]),
        ("docs/x.md", f"    {AWS}", ["AWS Access Key"]),
        ("deploy/x", f"{KEY}\nabc\n", ["Private Key"]),
        ("deploy/x.yml", "password: hunter2hunter2", ["Secret Keyword"]),
        ("deploy/x.yml", "url: http://bob:s3cr3tpw@nas.lan/", ["Basic Auth Credentials"]),
        ("deploy/x.yml", "password: ${DUMB_PASSWORD}", []),
        ("services/x.py", "password = 'hunter2hunter2'", []),  # ruff says so
        ("services/x.py", f"token = '{GITHUB}'  # pragma: allowlist secret", []),
        ("tests/x.py", f"token = '{GITHUB}'", ["GitHub Token"]),
        ("tests/x.py", "password = 'hunter2hunter2'", []),
        ("tests/shared/test_redaction.py", f"{KEY} {GITHUB}", []),
    ],
)
def test_what_is_found(tmp_path: Path, name: str, text: str, kinds: list[str]) -> None:
    file = tmp_path / name
    file.parent.mkdir(parents=True)
    file.write_text(f"first line\n{text}\n")
    found = findings([name], tmp_path)
    # A token is random text, too.
    assert {kind for _, _, kind in found} - {"Base64 High Entropy String"} == set(kinds)
    assert all(line == 2 for _, line, _ in found)


def test_this_repository_is_looked_at() -> None:
    names = tracked()
    assert {"docker-compose.yml", "shared/settings.py", "tests/deploy/flow.py"} <= set(names)
    assert not any(name.endswith((".lock", ".gz")) for name in names)
    assert len(plugins_for("tests/deploy/flow.py")) == len(FORMS)
