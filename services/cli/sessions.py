"""`dumb login` and `logout`."""

from urllib.parse import urlsplit

from services.cli.client import AwayError, Client, LockedOutError, Trust
from services.cli.credentials import LoginCredentials, TokenCredentials
from services.cli.guesses import DEVICE_HEADER, send_password
from services.cli.logins import Login, LoginStore
from services.cli.terminal import Terminal
from shared.errors import DumbError

_NEAR = ("127.0.0.1", "::1", "localhost")


def log_in(base: str, trust: Trust, store: LoginStore, terminal: Terminal, username: str) -> None:
    """Ask for what is missing, get tokens, keep them.

    Raises:
        DumbError: nobody answers, the password is wrong, or the file cannot be written.
    """
    with Client(base, TokenCredentials(), trust) as client:
        if not client.get("/auth/status").get("enabled"):
            print(f"No login is needed: authentication is off at {base}.")
            return
        _warn_if_readable(base, terminal)
        username = username or terminal.line("Username: ")
        body = {"username": username, "password": terminal.password(f"Password of {username}")}
        try:
            device = store.device(base, username)
            answer = send_password(client, terminal, "/auth/login", body, device)
        except LockedOutError as error:
            raise DumbError(error.detail) from error
    pair, device = answer.tree, answer.headers.get(DEVICE_HEADER, "")
    login = Login(username, str(pair["access_token"]), str(pair["refresh_token"]))
    with store.alone():
        store.save(base, login)
        if device:
            store.save_device(base, username, device)
    with Client(base, TokenCredentials(login.access_token), trust) as client:
        role = client.get("/auth/me").get("role")
    print(f"Logged in at {base} as {username}, role {role}.")


def _warn_if_readable(base: str, terminal: Terminal) -> None:
    parts = urlsplit(base)
    if parts.scheme == "http" and parts.hostname not in _NEAR:
        terminal.note(f"The password goes to {parts.hostname} unencrypted: better use https.")


def log_out(base: str, trust: Trust, store: LoginStore, terminal: Terminal) -> None:
    """End the login there, and forget it here in any case. Raises `DumbError`."""
    login = store.find(base)
    if login is None:
        print(f"There is no login at {base}.")
        return
    try:
        with Client(base, LoginCredentials(store, base, trust), trust) as client:
            client.post("/auth/logout")
    except LockedOutError:
        pass  # it had ended
    except AwayError as error:
        terminal.note(f"{error} The login itself goes on until it expires.")
    with store.alone():
        store.save(base, None)
    print(f"Logged out at {base}.")
