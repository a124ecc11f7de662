"""Secrets out of log lines: contract redaction.md 2 (14 rules), its gaps (3), and what applications
really write (tests/shared/corpus).

`rules.py` has the forms that are known by more than a name, `named.py` the values of secret names,
`opened.py` what reaches into the next line, `stream.py` puts them together.
"""

from shared.redaction.rules import PLACEHOLDER
from shared.redaction.stream import REACH, Redactor, redact, redact_text

__all__ = ["PLACEHOLDER", "REACH", "Redactor", "redact", "redact_text"]
