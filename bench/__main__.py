"""`python -m bench [NAME ...]`: run all measurements, or those named."""

import sys
from importlib import import_module

NAMES = (
    "start",
    "crash",
    "fifty",
    "chain",
    "core",
    "health",
    "logs",
    "idle",
    "auth",
    "config",
    "metrics",
    "cli",
    "seerr",
    "proxy",
    "refusals",
    "strangers",
    "guesses",
)


def main() -> int:
    """Run them one after another; 2 for an unknown name."""
    wanted = sys.argv[1:] or list(NAMES)
    unknown = [name for name in wanted if name not in NAMES]
    if unknown:
        sys.stderr.write(f"unknown: {', '.join(unknown)}; there are {', '.join(NAMES)}\n")
        return 2
    for name in wanted:
        import_module(f"bench.{name}").main()
    return 0


if __name__ == "__main__":
    sys.exit(main())
