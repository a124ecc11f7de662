"""Ordinary log lines, without a secret: the formats and the words that invite a mistake."""

import random
from pathlib import Path

COUNT = 2000
CORPUS = Path(__file__).parent / "corpus"

WORDS = {
    "svc": ["Sonarr", "Radarr", "Plex", "Riven", "Zilean", "rclone", "Jellyfin", "Bazarr"],
    "user": ["bob", "alice", "root", "postgres", "media"],
    "film": ["Compass", "The Author", "Bypass", "Tokens of Love", "Session 9", "Secret Garden",
             "The Pass", "Keys to the Kingdom", "Cookie Monster", "The Claim", "Password"],
    "word": ["author", "authority", "compass", "bypass", "passthrough", "passenger", "keyboard",
             "tokenizer", "secretary", "cookies", "sessions", "reclaimed", "credits", "monkey"],
    "path": ["/data/library", "/config/app.db", "/mnt/remote/movies", "/var/log/x.log"],
    "state": ["started", "closed", "opened", "expired", "ok", "failed", "resumed"],
    "method": ["basic", "forms", "none", "external", "digest", "ldap"],
    "level": ["INFO", "DEBUG", "WARN", "ERROR"],
    "low": ["info", "debug", "warning", "error"],
    "flag": ["true", "false"],
}  # fmt: skip

TEMPLATES = (CORPUS / "ordinary.templates").read_text("utf-8").splitlines()


def ordinary_lines(seed: int = 14) -> list[str]:
    """`COUNT` lines, the same for the same seed; every template has its share."""
    rng = random.Random(seed)
    lines = []
    for number in range(COUNT):
        values = {name: rng.choice(words) for name, words in WORDS.items()}
        template = TEMPLATES[number % len(TEMPLATES)]
        line = template.format(
            **values, n=rng.randrange(100, 1000), k=rng.randrange(2, 60), s=rng.randrange(10, 60)
        )
        lines.append(line)
    rng.shuffle(lines)
    return lines
