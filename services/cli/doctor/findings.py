"""What a check found, and how it is printed."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass

from services.cli.tables import harmless
from services.cli.terminal import Terminal


@dataclass(frozen=True, slots=True)
class Finding:
    """With `advice` and `ok` it is no problem, and worth a look."""

    name: str
    ok: bool
    detail: str
    advice: str = ""


def report(terminal: Terminal, findings: Sequence[Finding], *, tree: bool) -> int:
    """Print them; 1 when one of them is a problem."""
    problems = sum(1 for finding in findings if not finding.ok)
    if tree:
        print(json.dumps({"ok": not problems, "checks": [asdict(f) for f in findings]}))
        return int(problems > 0)
    for finding in findings:
        word, code = ("ok      ", "32") if finding.ok else ("PROBLEM ", "1;31")
        if finding.ok and finding.advice:
            word, code = "WARNING ", "33"
        print(f"{terminal.paint(word, code)} {finding.name}: {harmless(finding.detail)}")
        if finding.advice:
            print(f"         {terminal.paint(harmless(finding.advice), '2')}")
    found = f"{problems} {'problem' if problems == 1 else 'problems'} found."
    print(f"\n{found if problems else 'Everything is well.'}")
    return int(problems > 0)
