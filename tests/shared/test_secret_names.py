"""The vocabulary: names of secrets, names of other things, and values that are none."""

import json
from pathlib import Path
from typing import Any

import pytest

from shared.redaction.rules import NAME_NEEDS
from shared.secret_names import (
    STRONG,
    Kind,
    is_secret_name,
    is_secret_value,
    kind_of,
    secret_flag,
)

SAMPLE = Path(__file__).resolve().parents[2] / "dumb_config.json"

ONE = [
    "password", "passwd", "passphrase", "passcode", "passkey", "secret", "token", "apikey",
    "api_key", "apiKey", "API-KEY", "ApiKey", "api.key", "client-secret", "JWT_SECRET",
    "DB_PASSWORD", "PGPASSWORD", "mytoken", "plex_token", "plexToken", "PlexOnlineToken",
    "X-Plex-Token", "x-api-key", "webdav_password", "tunnel_token", "apikey_sonarr",
    "apikey2", "SONARR_API_KEY_4K", "ApiKeyV2", "APIKey", "TOKEN_REALDEBRID", "password_hash",
    "password_confirm", "secretAccessKey", "private_key", "encryption-key", "debrid_key",
    "tmdb_key", "session_key", "spring.datasource.password", "--api-key", "PaSsWoRd",
    "id_token", "authToken",
]  # fmt: skip

MANY = [
    "tokens", "apikeys", "API_KEYS", "api_keys", "passwords", "secrets", "download_tokens",
    "accessTokens",
]  # fmt: skip

WEAK = [
    "pass", "PASS", "pwd", "auth", "credential", "credentials", "cookie", "cookies",
    "session", "sessions", "claim", "claims", "plex_claim", "plexClaim", "PLEX_CLAIM",
    "rc-pass", "--rc-pass", "RCLONE_RC_PASS", "dbPass", "userpass", "torrent_pass", "pw",
    "smtpPwd", "basicAuth", "http_auth", "aiostreams_auth", "AIOSTREAMS_AUTH_PERMISSIONS",
    "Set-Cookie", "session_id", "sessionId", "JSESSIONID", "PHPSESSID", "authorization",
    "Proxy-Authorization", "auth_header", "requirepass", "masterauth",
]  # fmt: skip

NONE = [
    "port", "user", "key", "keys", "author", "authors", "authority", "authorize",
    "authorized", "authentication", "authenticated", "oauth", "compass", "bypass", "byPass",
    "trespass", "passthrough", "pass_through", "passed", "passes", "passenger", "keyboard",
    "monkey", "hotkey", "turnkey", "sort_key", "primary_key", "public_key", "key_id",
    "access_key_id", "key_type", "tokenizer", "secretary", "passwordless", "session_timeout",
    "sessionTimeout", "SESSION_TIMEOUT", "auth_method", "authMethod", "cookie_domain",
    "cookie_secure", "cookie-samesite", "authorization_policy", "postgres_auth_mode",
    "token_ttl", "token_url", "tokenEndpoint", "token_type", "password_file",
    "password-stdin", "password_policy", "password_min_length", "secret_name_of_x",
    "secrets_dir", "api_key_configured", "max_tokens", "num_tokens", "prompt_tokens",
    "tokens_per_second", "has_password", "use_auth", "no-auth", "--no-auth", "enable_auth",
    "require_password", "session_count", "sessions_dir", "claimed", "reclaim", "auth_user",
    "password_encryption", "token.json",
]  # fmt: skip


def test_names() -> None:
    wrong = [
        (name, kind_of(name))
        for kind, names in ((Kind.MANY, MANY), (Kind.NONE, NONE))
        for name in names
        if kind_of(name) is not kind
    ]
    wrong += [(name, kind_of(name)) for name in ONE if kind_of(name) is not Kind.ONE]
    wrong += [(n, kind_of(n)) for n in WEAK if kind_of(n) is not Kind.WEAK]
    assert wrong == []
    assert is_secret_name("pass")
    assert not is_secret_name("")
    assert not is_secret_name("☃")


def test_each_name_holds_a_word_that_a_line_is_searched_for() -> None:
    needs = [need.decode() for need in NAME_NEEDS]
    names = [*ONE, *MANY, *WEAK, *STRONG]
    assert [name for name in names if not any(need in name.lower() for need in needs)] == []


@pytest.mark.parametrize(
    ("kind", "text", "secret"),
    [
        (Kind.ONE, "hunter2", True),
        (Kind.ONE, "12345", True),
        (Kind.ONE, "basic", True),
        (Kind.ONE, "true", False),
        (Kind.ONE, "None", False),
        (Kind.ONE, "", False),
        (Kind.MANY, "abc", True),
        (Kind.MANY, "512", False),
        (Kind.MANY, "1.5k", False),
        (Kind.WEAK, "bob:hunter2", True),
        (Kind.WEAK, "letmein", True),
        (Kind.WEAK, "s%3Aabc.def", True),
        (Kind.WEAK, "/config/cookies.txt", False),
        (Kind.WEAK, "30m", False),
        (Kind.WEAK, "512", False),
        (Kind.WEAK, "Basic", False),
        (Kind.WEAK, "two_factor", False),
        (Kind.NONE, "hunter2", False),
    ],
)
def test_values(kind: Kind, text: str, secret: bool) -> None:
    assert is_secret_value(kind, text) is secret


@pytest.mark.parametrize(
    ("item", "kind"),
    [("--rc-pass", Kind.WEAK), ("--token", Kind.ONE), ("-password", Kind.ONE), ("--token=x", 0),
     ("--no-auth", 0), ("--token-file", 0), ("token", 0), ("-p", 0), ("--", 0), ("--rc-pass x", 0)],
)  # fmt: skip
def test_flags(item: str, kind: Kind) -> None:
    assert secret_flag(item) == kind


def test_no_key_of_the_sample_lost_or_gained_by_accident() -> None:
    """A new word of the vocabulary shows here which of the shipped keys it hides."""
    found: set[str] = set()

    def walk(tree: Any) -> None:
        if isinstance(tree, dict):
            found.update(key for key in tree if is_secret_name(key))
            for value in tree.values():
                walk(value)
        elif isinstance(tree, list):
            for item in tree:
                walk(item)

    walk(json.loads(SAMPLE.read_bytes()))
    assert found == {"api_key", "github_token", "password", "plex_claim", "plex_token"}
