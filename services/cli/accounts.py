"""`dumb users` and `dumb tokens`: accounts, over the API."""

import json
from typing import Any, Final
from urllib.parse import quote

from services.cli.client import Client
from services.cli.guesses import send_password
from services.cli.logins import LoginStore
from services.cli.tables import Cell, Column
from services.cli.terminal import Terminal
from services.cli.units import when
from shared.errors import DumbError

USERS: Final = (Column("NAME", most=32), Column("ROLE"), Column("STATE"), Column("CREATED"))
TOKENS: Final = (
    Column("ID"),
    Column("NAME", most=24),
    Column("ROLE"),
    Column("OWNER", most=16),
    Column("EXPIRES"),
)


def list_users(client: Client, terminal: Terminal, *, tree: bool) -> None:
    """Raises `DumbError`."""
    users = _users(client)
    if tree:
        print(json.dumps({"users": users}, ensure_ascii=False))
        return
    rows = [
        (
            str(user["username"]),
            str(user.get("role") or ""),
            Cell("disabled", "red") if user.get("disabled") else Cell("active", "green"),
            when(user.get("created_at")),
        )
        for user in users
    ]
    terminal.table(USERS, rows)


def add_user(client: Client, terminal: Terminal, name: str, role: str) -> None:
    """Asks for the password. Raises `DumbError`."""
    status = client.get("/auth/status")
    if status.get("setup_code_required") and not client.setup_code:
        client.setup_code = terminal.password("Setup code of this API")
    password = terminal.password(f"Password of {name}", twice=True)
    client.post("/auth/users", {"username": name, "password": password, "role": role})
    print(f"Added {name}.")
    if not status.get("has_users"):
        terminal.note("Authentication is on from now: `dumb login` to go on.")


def change_password(
    client: Client, store: LoginStore, terminal: Terminal, name: str, *, keep_tokens: bool
) -> None:
    """One's own with the current one, as administrator another's. Raises `DumbError`."""
    me = client.get("/auth/me")
    name = name or str(me.get("username") or "")
    if not name:
        raise DumbError("Say whose password: authentication is off, so you are nobody.")
    body: dict[str, Any] = {"keep_api_tokens": keep_tokens}
    if name == me.get("username"):
        body["current_password"] = terminal.password(f"Current password of {name}")
    body["password"] = terminal.password(f"New password of {name}", twice=True)
    path, device = f"/auth/users/{quote(name, safe='')}/password", store.device(client.base, name)
    send_password(client, terminal, path, body, device, method="PUT")
    print(f"Changed the password of {name}; logins of theirs have ended.")


def set_user(
    client: Client, name: str, *, disabled: bool | None = None, role: str | None = None
) -> None:
    """What is None stays as it is. Raises `DumbError`."""
    user = next((u for u in _users(client) if u["username"] == name), None)
    if user is None:
        raise DumbError(f"There is no user '{name}'.")
    body: dict[str, Any] = {"disabled": user["disabled"] if disabled is None else disabled}
    if role is not None:
        body["role"] = role
    client.send("PUT", f"/auth/users/{quote(name, safe='')}", json=body)
    words = f"has the role {role}" if role else "is disabled" if disabled else "is enabled"
    print(f"{name} {words}.")


def delete_user(client: Client, name: str) -> None:
    """With logins and API tokens. Raises `DumbError`."""
    client.send("DELETE", f"/auth/users/{quote(name, safe='')}")
    print(f"Deleted {name}.")


def list_tokens(client: Client, terminal: Terminal, *, tree: bool) -> None:
    """Raises `DumbError`."""
    tokens = client.get("/auth/tokens")["tokens"]
    if tree:
        print(json.dumps({"tokens": tokens}, ensure_ascii=False))
        return
    rows = [[str(token[key]) for key in ("id", "name", "role", "owner")] for token in tokens]
    for row, token in zip(rows, tokens, strict=True):
        row.append(when(token["expires_at"]) if token["expires_at"] else "never")
    terminal.table(TOKENS, rows)


def create_token(
    client: Client, terminal: Terminal, name: str, role: str | None, days: int | None
) -> None:
    """Print its text alone, so that `$(dumb tokens create cron)` is it. Raises `DumbError`."""
    body: dict[str, Any] = {"name": name}
    if role:
        body["role"] = role
    if days:
        body["expires_in_days"] = days
    made = client.post("/auth/tokens", body)
    print(made["token"])
    terminal.note(f"Token {made['id']}, role {made['role']}. It is not shown again.")


def delete_token(client: Client, token_id: str) -> None:
    """Raises `DumbError`."""
    client.send("DELETE", f"/auth/tokens/{quote(token_id, safe='')}")
    print(f"Deleted the token {token_id}.")


def _users(client: Client) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = client.get("/auth/users", {"details": "true"})["users"]
    return found
