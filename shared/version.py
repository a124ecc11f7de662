"""The version that every program reports. pyproject.toml carries the same number (tested)."""

from typing import Final

VERSION: Final = "0.1.0"
