"""`dumb start`, `stop` and `restart`: ask for all at once, then tell what becomes of each."""

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from services.cli.client import AwayError, Client, RefusedError, UnavailableError
from services.cli.roster import API_KEY, choose, is_down, read_roster
from services.cli.terminal import Terminal, harmless
from services.cli.units import seconds
from shared.errors import DumbError
from shared.exits import Exit
from shared.models.service import ServiceState

DONE: Final = {"start": "started", "stop": "stopped", "restart": "restarted"}
FINAL: Final = frozenset({"succeeded", "failed", "rejected", "expired", "cancelled"})
PAUSES_S: Final = (0.05, 0.1, 0.2, 0.3)
"""Between two looks at the receipts; the last one again and again."""

PATIENCE_S: Final = 60.0
"""How long receipts are asked for while the API is away: it may be restarting."""


@dataclass
class Task:
    """One command: its id, "" when it was refused, and its receipt as it was last seen."""

    name: str
    id: str = ""
    receipt: dict[str, Any] = field(default_factory=dict)
    refusal: str = ""

    @property
    def status(self) -> str:
        return "refused" if self.refusal else str(self.receipt.get("status", "queued"))

    @property
    def over(self) -> bool:
        return bool(self.refusal) or self.status in FINAL

    @property
    def failed(self) -> bool:
        return self.over and self.status != "succeeded"

    @property
    def doing(self) -> str:
        """The last step so far."""
        steps = self.receipt.get("steps") or []
        return str(steps[-1].get("what", "")) if steps else "queued"


def targets(client: Client, verb: str, names: list[str], *, every: bool) -> list[str]:
    """The services that are meant; `every` of those for which the verb makes sense.

    Raises:
        DumbError: the API does not answer, or a name is unknown.
    """
    states = read_roster(client)
    if not every:
        return [state.process_name for state in choose(states, names)]
    return [s.process_name for s in states if s.config_key != API_KEY and _suits(s, verb)]


def _suits(state: ServiceState, verb: str) -> bool:
    if verb == "start":
        return state.enabled and not state.alive
    return state.alive or (verb == "stop" and (is_down(state) or state.status.value == "waiting"))


def carry_out(
    client: Client, terminal: Terminal, verb: str, names: Sequence[str], *, wait: bool
) -> Exit:
    """Ask, wait, and print one line a service; the exit code.

    Raises:
        DumbError: the API does not answer.
    """
    if not names:
        print("There is nothing to do.")
        return Exit.OK
    tasks = [_submit(client, verb, name) for name in names]
    if wait:
        try:
            _follow(client, terminal, verb, tasks)
        except KeyboardInterrupt:
            under_way = [task.id for task in tasks if not task.over]
            terminal.note(f"Goes on without you: dumb commands show {' '.join(under_way)}")
            raise
    else:
        for task in tasks:
            _tell(terminal, verb, task, wait=False)
    return Exit.FAILED if any(task.failed for task in tasks) else Exit.OK


def _submit(client: Client, verb: str, name: str) -> Task:
    """Queue one command. A refusal of one does not keep the others from being asked for."""
    try:
        queued = client.post(
            f"/process/{verb}-service", {"process_name": name}, params={"wait": "0"}
        )
    except UnavailableError:
        raise
    except RefusedError as error:
        if error.status in {401, 403}:
            raise
        return Task(name, refusal=str(error))
    return Task(name, str(queued.get("id")), queued)


def _follow(client: Client, terminal: Terminal, verb: str, tasks: list[Task]) -> None:
    """Until all are over. Each is told about as soon as it is."""
    begun = time.monotonic()
    told: set[str] = set()
    with terminal.progress() as progress:
        for pause in _pauses():
            _look(client, tasks)
            for task in tasks:
                if task.over and task.name not in told:
                    told.add(task.name)
                    _tell(terminal, verb, task, wait=True)
            if len(told) == len(tasks):
                return
            took = seconds(time.monotonic() - begun)
            progress.show({t.name: f"{t.doing}  ({took})" for t in tasks if not t.over})
            time.sleep(pause)


def _pauses() -> Any:
    yield from PAUSES_S
    while True:
        yield PAUSES_S[-1]


def _look(client: Client, tasks: list[Task]) -> None:
    """Read the receipts of what is under way. Raises `DumbError` when they stay out of reach."""
    for task in tasks:
        if not task.over:
            task.receipt = patiently(client, f"/process/commands/{task.id}")


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


def _tell(terminal: Terminal, verb: str, task: Task, *, wait: bool) -> None:
    if task.failed:
        terminal.note(f"{task.name}: {terminal.paint(harmless(trouble(task)), '31')}")
    elif not wait:
        print(f"{task.name}: queued as {task.id}")
    else:
        print(f"{task.name}: {outcome(verb, task.receipt)}", flush=True)


def trouble(task: Task) -> str:
    """Why it failed; the name, which stands before it, only once."""
    detail = task.refusal or str(task.receipt.get("detail") or "no reason given")
    detail = detail.removeprefix(f"{task.name} ")
    return detail if task.status in {"refused", "failed"} else f"{task.status}: {detail}"


def outcome(verb: str, receipt: dict[str, Any]) -> str:
    """`started in 1.2 s`; or why nothing had to be done."""
    detail = str(receipt.get("detail") or "")
    if detail.startswith(("already", "was not")):
        return detail
    begun, ended = receipt.get("created_at"), receipt.get("finished_at")
    took = f" in {seconds(ended - begun)}" if begun and ended else ""
    return f"{DONE[verb]}{took}"
