"""`dumb start`, `stop` and `restart`: ask, tell the steps while waiting, then the outcome.

Several services are one command, so the supervisor keeps to the order of their dependencies.
"""

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from services.cli.client import AwayError, Client, UnavailableError
from services.cli.roster import choose, read_roster
from services.cli.terminal import Terminal
from services.cli.units import seconds
from shared.errors import DumbError
from shared.exits import Exit

DONE: Final = {"start": "started", "stop": "stopped", "restart": "restarted"}
FINAL: Final = frozenset({"succeeded", "failed", "rejected", "expired", "cancelled"})
PAUSES_S: Final = (0.03, 0.05, 0.1, 0.2, 0.3)
"""Between two looks at the receipt; the last one again and again."""

PATIENCE_S: Final = 60.0
"""How long a receipt is asked for while the API is away: it may be restarting."""


@dataclass(frozen=True, slots=True)
class Order:
    """`names` as they were typed; empty for all that the verb makes sense for."""

    verb: str
    names: Sequence[str]
    wait: bool


def carry_out(client: Client, terminal: Terminal, order: Order) -> Exit:
    """Ask, wait, and print one line a service; the exit code.

    Raises:
        DumbError: the API does not answer or refuses, or a name is unknown.
    """
    states = choose(read_roster(client), order.names)
    names = [state.process_name for state in states]
    command_id = _submit(client, order.verb, names)
    what = names[0] if len(names) == 1 else f"{order.verb} of {len(names) or 'all'} services"
    if not order.wait:
        print(f"{what}: queued as {command_id}")
        return Exit.OK
    try:
        receipt = _follow(client, terminal, command_id, what)
    except KeyboardInterrupt:
        terminal.note(
            f"It goes on without you: dumb commands show {command_id}, or cancel {command_id}"
        )
        raise
    return _report(terminal, order.verb, receipt, names)


def _submit(client: Client, verb: str, names: list[str]) -> str:
    """Queue one command; its id."""
    if len(names) == 1:
        path, body = f"/process/{verb}-service", {"process_name": names[0]}
        queued = client.post(path, body, params={"wait": "0"})
    else:
        which: dict[str, Any] = {"process_names": names} if names else {"all": True}
        queued = client.post("/process/actions", {"action": verb, **which}, params={"wait": "0"})
    return str(queued["id"])


def _follow(client: Client, terminal: Terminal, command_id: str, what: str) -> dict[str, Any]:
    """The final receipt; its steps are shown on the way."""
    begun = time.monotonic()
    with terminal.progress() as progress:
        for pause in _pauses():
            receipt = patiently(client, f"/process/commands/{command_id}")
            if receipt.get("status") in FINAL:
                break
            steps = receipt.get("steps") or [{"what": "queued"}]
            took = seconds(time.monotonic() - begun)
            progress.show({what: f"{steps[-1].get('what')}  ({took})"})
            time.sleep(pause)
    return receipt


def _pauses() -> Iterator[float]:
    yield from PAUSES_S
    while True:
        yield PAUSES_S[-1]


def patiently(client: Client, path: str, patience_s: float = PATIENCE_S) -> dict[str, Any]:
    """GET, again and again while the API is away. Raises `DumbError` after `patience_s`."""
    deadline = time.monotonic() + patience_s
    while True:
        try:
            return client.get(path)
        except (AwayError, UnavailableError) as error:
            if time.monotonic() >= deadline:
                raise DumbError(
                    f"It is not known what became of it: {error} Ask later with `dumb commands`."
                ) from error
            time.sleep(PAUSES_S[-1])


def _report(
    terminal: Terminal, verb: str, receipt: Mapping[str, Any], names: Sequence[str]
) -> Exit:
    succeeded = receipt["status"] == "succeeded"
    results = (receipt.get("result") or {}).get("results")
    if results is None and len(names) == 1:
        results = [{**receipt, "process_name": names[0]}]
    if results is None:  # rejected or expired as a whole
        raise DumbError(f"{receipt['status']}: {receipt.get('detail')}")
    for result in results:
        name = result["process_name"]
        if result["status"] == "succeeded":
            print(f"{name}: {outcome(verb, result)}")
        else:
            terminal.note(f"{name}: {trouble(result)}", "31")
    if not results:
        print("There is nothing to do.")
    return Exit.OK if succeeded else Exit.FAILED


def outcome(verb: str, result: Mapping[str, Any]) -> str:
    """`started in 1.2 s`; or why nothing had to be done."""
    detail = str(result.get("detail") or "")
    if detail.startswith(("already", "was not")):
        return detail
    begun, ended = result.get("created_at"), result.get("finished_at")
    took = f" in {seconds(ended - begun)}" if begun and ended else ""
    return f"{DONE[verb]}{took}"


def trouble(result: Mapping[str, Any]) -> str:
    """Why it failed; the name, which stands before it, only once."""
    detail = str(result.get("detail") or "no reason given")
    detail = detail.removeprefix(f"{result['process_name']} ")
    return detail if result["status"] == "failed" else f"{result['status']}: {detail}"
