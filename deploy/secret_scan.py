"""`python -m deploy.secret_scan`: whether a file of the repository holds a secret. Offline.

With detect-secrets. Tests are full of invented passwords, and those of the redactor of invented
keys of every kind: there only keys and tokens of known forms count, and not in files whose subject
they are.
"""

import itertools
import json
import re
import subprocess
import sys
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any, Final

from detect_secrets.core.scan import scan_file
from detect_secrets.settings import transient_settings

PROJECT: Final = Path(__file__).resolve().parents[1]

FORMS: Final = (
    "ArtifactoryDetector", "AWSKeyDetector", "AzureStorageKeyDetector", "CloudantDetector",
    "DiscordBotTokenDetector", "GitHubTokenDetector", "GitLabTokenDetector",
    "IbmCloudIamDetector", "MailchimpDetector", "NpmDetector", "OpenAIDetector",
    "PrivateKeyDetector", "PypiTokenDetector", "SendGridDetector", "SlackDetector",
    "SquareOAuthDetector", "StripeDetector", "TelegramBotTokenDetector", "TwilioKeyDetector",
)  # fmt: skip
"""Detectors of known forms."""
GUESSES: Final[tuple[dict[str, Any], ...]] = (
    {"name": "BasicAuthDetector"},
    {"name": "JwtTokenDetector"},
    {"name": "Base64HighEntropyString", "limit": 4.5},
    {"name": "HexHighEntropyString", "limit": 3.0},
)
"""Detectors that go by how random a text is, and the like."""
NAMES: Final = {"name": "KeywordDetector"}
"""Goes by the name of what is assigned. In Python ruff does that (S105 to S107), and better."""

WORKERS: Final = 2
"""Processes: it is nothing but regular expressions."""
SKIPPED: Final = re.compile(r"\.(lock|gz|png|svg)$|(^|/)VENDORED\.json$")
"""Sums of packages and files, and what is no text."""
INVENTED: Final = re.compile(r"^tests/.*(redact|corpus|mask|secret)")

ACCEPTED: Final = frozenset(
    {
        # `redis://user:password@host`, as an example
        ("docs/configuration.md", "Basic Auth Credentials"),
        (".env.example", "Basic Auth Credentials"),
        ("deploy/secret_scan.py", "Basic Auth Credentials"),
        # The initial password of the local databases, as the original has it.
        ("shared/config/templates/services.json", "Secret Keyword"),
        # Examples of the API's document: an id, and a token without claims.
        ("services/api/openapi/examples.py", "Hex High Entropy String"),
        ("services/api/openapi/examples.py", "JSON Web Token"),
        # First lines of keys without the keys: what redaction has to notice in a log.
        ("tests/supervisor/test_capture.py", "Private Key"),
        ("tests/supervisor/test_tail.py", "Private Key"),
    }
)
"""File and kind of what was looked at and is none. A line can also end in a comment
`pragma: allowlist secret`."""

FILTERS: Final = tuple(
    {"path": f"detect_secrets.filters.{name}"}
    for name in (
        "allowlist.is_line_allowlisted",
        "heuristic.is_indirect_reference",
        "heuristic.is_likely_id_string",
        "heuristic.is_potential_uuid",
        "heuristic.is_prefixed_with_dollar_sign",
        "heuristic.is_sequential_string",
        "heuristic.is_templated_secret",
    )
)


def tracked() -> list[str]:
    """Files of the repository, and new ones that git does not ignore."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],  # noqa: S607
        cwd=PROJECT,
        stdout=subprocess.PIPE,
        check=True,
    )
    names = listed.stdout.decode().split("\0")
    return sorted({name for name in names if name and not SKIPPED.search(name)})


def plugins_for(name: str) -> list[dict[str, Any]]:
    """Detectors for a file; none for one whose subject are secrets."""
    forms = [{"name": form} for form in FORMS]
    if name.startswith("tests/"):
        return [] if INVENTED.search(name) else forms
    return [*forms, *GUESSES] if name.endswith(".py") else [*forms, *GUESSES, NAMES]


def findings(names: list[str], root: Path = PROJECT) -> list[tuple[str, int, str]]:
    """File, line and kind of everything that looks like a secret."""
    found = set()
    names = sorted(filter(plugins_for, names), key=lambda name: json.dumps(plugins_for(name)))
    for plugins, part in itertools.groupby(names, plugins_for):
        with transient_settings({"plugins_used": plugins, "filters_used": list(FILTERS)}):
            for name in part:
                found |= {(name, s.line_number, s.type) for s in scan_file(str(root / name))}
    return sorted(f for f in found if (f[0], f[2]) not in ACCEPTED)


def main() -> int:
    """1 when something was found; its place and kind are printed, and never the text."""
    names = tracked()
    with ProcessPoolExecutor(WORKERS) as pool:
        parts = pool.map(findings, [names[n::WORKERS] for n in range(WORKERS)])
        found = sorted(itertools.chain.from_iterable(parts))
    for name, line, kind in found:
        sys.stdout.write(f"{name}:{line}: {kind}\n")
    if found:
        sys.stdout.write(
            "If a secret was committed, change it: the history keeps it. If it is none, end the "
            "line in a comment `pragma: allowlist secret`.\n"
        )
        return 1
    sys.stdout.write(f"No secret in {len(names)} files.\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
