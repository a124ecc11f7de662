"""What the API tells of itself and of everything behind it."""

from services.cli.client import AwayError, Client, RefusedError
from services.cli.doctor.findings import Finding
from shared.errors import DumbError
from shared.version import VERSION


def check_api(client: Client, *, near: bool) -> tuple[list[Finding], bool]:
    """What it says, and whether it could say what Redis and the supervisor do.

    `near`: this machine has a data directory, so there is more to look at.
    """
    try:
        probe = client.get("/livez")
    except DumbError as error:
        return [Finding("api", False, _first_sentence(error), _start(error, near))], False
    found = [Finding("api", probe.get("status") == "alive", f"answers at {client.base}")]
    try:
        environment = client.get("/environment")
    except RefusedError as error:
        found.append(Finding("environment", False, str(error), _why_not(error)))
        return found, False
    except AwayError as error:
        found.append(Finding("environment", False, str(error)))
        return found, False
    version = (environment.get("api") or {}).get("version")
    if version != VERSION:
        detail = f"the API is of version {version}, this command line of {VERSION}"
        found.append(Finding("versions", False, detail, "Use those of one version."))
    checks = [check for check in environment.get("checks") or [] if isinstance(check, dict)]
    found += [
        Finding(str(c.get("name")), bool(c.get("ok")), str(c.get("detail")), c.get("advice") or "")
        for c in checks
    ]
    if not checks:
        found.append(Finding("environment", False, "The API says nothing about itself"))
    return found, True


def _first_sentence(error: DumbError) -> str:
    return str(error).partition("): ")[0] + ")" if "): " in str(error) else str(error)


def _start(error: DumbError, near: bool) -> str:
    if not isinstance(error, AwayError):
        return ""
    if near:
        return "Start it with `make run` or `dumb up`; what follows is what this machine can tell."
    return "Start it with `make run` or `dumb up`, or set DUMB_API_URL to where it runs."


def _why_not(error: RefusedError) -> str:
    if error.status == 403:
        return "Ask an administrator, or log in as one: `dumb login`."
    return "" if error.status == 401 else "What follows is what this machine can tell."
