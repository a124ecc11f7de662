"""Whether a service is as it should be: the one place that judges. Pure.

`/health`, `startup-status`, `dumb doctor`, the Prometheus metrics, `dumb status` and the sockets
show what `judge` says. The rules: contract rest.md 2 (health) and 3.9 (boot), docs/protocol.md.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

from shared.config.ends import did_its_work
from shared.config.services import ServiceBlock
from shared.config.timing import ready_budget_s, start_budget_s, stop_budget_s
from shared.config.timing import wait_limit_s as configured_wait_s
from shared.models.service import ServiceState
from shared.models.startup import Phase, Startup
from shared.states import Desired, ServiceStatus

_S = ServiceStatus

WAIT_PATIENCE_S: Final = 300.0
"""A wait without a `wait_timeout` is normal for as long as a boot may take (lifecycle.md 6)."""

STARTING_PHASES: Final = frozenset(
    {Phase.INITIALIZING, Phase.PREINSTALLING, Phase.STARTING_SERVICES, Phase.STABILIZING}
)
"""Phases in which nothing is held against a service yet (contract rest.md 2)."""

_USABLE: Final = frozenset({"healthy", "degraded"})
_ENDED: Final = frozenset({_S.EXITED, _S.FAILED})
_NO_REASON: Final = "no reason known"


class Verdict(StrEnum):
    """`ok`: as it should be, running or not. `attention`: a person has to look at it."""

    OK = "ok"
    STARTING = "starting"
    WAITING = "waiting"
    ATTENTION = "attention"


@dataclass(frozen=True, slots=True)
class Judgement:
    """What is to be said about a service.

    `reason` is a sentence for people, without a clock in it: it changes only with the facts.
    `since`: epoch seconds, None when unknown. `advice`: what to do, empty when nothing is.
    """

    verdict: Verdict
    reason: str
    since: float | None = None
    advice: str = ""
    ready: bool = False
    """Whether it can be used now, or has done its work."""
    expected_up: bool = False
    """Whether its process ought to be up and ready by now."""

    @property
    def attention(self) -> bool:
        """Whether a person has to look at it."""
        return self.verdict is Verdict.ATTENTION

    def shown(self) -> dict[str, Any]:
        """As the REST API and the sockets show it."""
        return {
            "verdict": self.verdict.value,
            "reason": self.reason,
            "since": self.since,
            "advice": self.advice,
        }


def judge(
    state: ServiceState,
    block: ServiceBlock | None = None,
    boot: Startup | None = None,
    *,
    now: float,
    onboarding: bool = False,
) -> Judgement:
    """Judge one service.

    Args:
        state: what is published about it.
        block: its configuration; without it the defaults count.
        boot: how the boot goes; without it the service is judged apart from the boot.
        now: epoch seconds.
        onboarding: the first-run wizard is open. It is closed while something needs attention, so
            a service that the wizard could not start yet must not keep a person from a next try.
    """
    found = _Case(state, block, boot, now).judged()
    if not found.attention:
        return found
    excuse = _excuse(state, boot, onboarding=onboarding)
    if not excuse:
        return found
    return Judgement(Verdict.STARTING, f"{found.reason} ({excuse})", found.since)


def is_usable(state: ServiceState) -> bool:
    """Whether it can be used, or has done its work (contract rest.md 3.9, `ready`)."""
    return state.completed or (state.status is _S.RUNNING and state.health in _USABLE)


def _excuse(state: ServiceState, boot: Startup | None, *, onboarding: bool) -> str:
    """Why nothing is held against the service yet, "" when it is."""
    if boot is not None and boot.phase in STARTING_PHASES:
        return "the boot is not over"
    degraded = boot is not None and boot.phase is Phase.DEGRADED
    restart = state.restart
    never_ready = restart.ready_at is None and not restart.restart_attempts
    if onboarding and not degraded and state.status is _S.FAILED and never_ready:
        return "the first-run wizard can try again"
    return ""


class _Case:
    """One service at one time."""

    def __init__(
        self, state: ServiceState, block: ServiceBlock | None, boot: Startup | None, now: float
    ) -> None:
        self._state = state
        self._block = block
        self._boot = boot
        self._now = now
        self._name = state.process_name
        self._wanted = state.desired is Desired.UP or state.enabled

    def judged(self) -> Judgement:
        by_status = {
            _S.STOPPED: self._stopped,
            _S.WAITING: self._waiting,
            _S.STARTING: self._starting,
            _S.RUNNING: self._running,
            _S.STOPPING: self._stopping,
            _S.EXITED: self._ended,
            _S.FAILED: self._ended,
        }
        return by_status[self._state.status]()

    # -- one per status --------------------------------------------------------------------

    def _stopped(self) -> Judgement:
        state, boot = self._state, self._boot
        if boot is not None and boot.phase is Phase.SHUTTING_DOWN:
            return self._ok("is stopped: the supervisor is shutting down")
        if state.desired is Desired.UP:
            since, limit = state.stopped_at, start_budget_s(self._block)
            if self._over(since, limit) or self._failed_boot():
                return self._attention(
                    "ought to run and is stopped", since, f"Start it: `{self._command('start')}`."
                )
            return Judgement(Verdict.STARTING, f"{self._name} is about to be started", since)
        if (
            boot is not None
            and boot.phase in STARTING_PHASES
            and self._name in boot.expected_services
            and not state.restart.disabled
        ):
            text = f"{self._name} is started in this boot"
            return Judgement(Verdict.STARTING, text, boot.started_at or None)
        if state.exit_reason:
            return self._ok(f"is stopped: {state.exit_reason}", state.stopped_at)
        return self._ok("is stopped" if state.enabled else "is not enabled", state.stopped_at)

    def _waiting(self) -> Judgement:
        state = self._state
        limit = configured_wait_s(self._block) if self._block is not None else None
        patience = WAIT_PATIENCE_S if limit is None else limit
        what = f"waits for {state.waiting_for or 'what it needs'}"
        if self._wanted and self._failed_boot():
            return self._attention(
                f"{what}: it was not ready when the boot ended",
                state.waiting_since,
                self._unblock(),
            )
        if self._wanted and self._over(state.waiting_since, patience):
            text = f"{what} for more than {patience:g} s"
            return self._attention(text, state.waiting_since, self._unblock())
        return Judgement(Verdict.WAITING, f"{self._name} {what}", state.waiting_since)

    def _starting(self) -> Judgement:
        state = self._state
        missing = state.health_reason if state.health == "unhealthy" else ""
        missing = missing or state.waiting_for
        tail = f": {missing}" if missing else ""
        limit = ready_budget_s(self._block)
        if self._over(state.started_at, limit):
            return self._attention(
                f"is not ready after {limit:g} s{tail}",
                state.started_at,
                f"{self._see_log()} If it needs longer, raise its `start_timeout`.",
            )
        if self._failed_boot():
            return self._attention(
                f"was not ready when the boot ended{tail}",
                state.started_at,
                f"{self._see_log()} If it needs longer, raise "
                "`dumb.startup.readiness_timeout_seconds`.",
            )
        return Judgement(Verdict.STARTING, f"{self._name} is starting{tail}", state.started_at)

    def _running(self) -> Judgement:
        state = self._state
        if state.health == "unhealthy":
            reason = state.health_reason or _NO_REASON
            return self._attention(f"unhealthy: {reason}", state.health_checked_at, self._see_log())
        if state.health not in _USABLE:
            tail = f": {state.health_reason}" if state.health_reason else ""
            text = f"{self._name} runs and is not ready yet{tail}"
            return Judgement(Verdict.STARTING, text, state.started_at)
        if state.health == "degraded":
            tail = f": {state.health_reason}" if state.health_reason else ""
            return self._ok(f"runs and is degraded{tail}", state.health_checked_at, up=True)
        return self._ok("runs", state.ready_at or state.started_at, up=True)

    def _stopping(self) -> Judgement:
        state = self._state
        # The change of status sets it, and nothing checks a service that is being stopped.
        since, limit = state.health_checked_at, stop_budget_s(self._block)
        if self._over(since, limit):
            return self._attention(f"did not end within {limit:g} s", since, self._see_log())
        if state.desired is Desired.UP:
            return Judgement(Verdict.STARTING, f"{self._name} is being restarted", since)
        return self._ok("is being stopped", since)

    def _ended(self) -> Judgement:
        state, block = self._state, self._block
        done = state.completed or (
            state.status is _S.EXITED
            and block is not None
            and did_its_work(block.block, state.exit_code)
        )
        if done:
            text = f"{self._name} has done its work ({state.exit_reason or 'completed'})"
            return Judgement(Verdict.OK, text, state.stopped_at, ready=True)
        if not self._wanted:
            return self._ok(f"{state.status.value}: {self._why_ended()}", state.stopped_at)
        reason = self._why_ended()
        if not reason.startswith(self._name):
            reason = f"{self._name} {state.status.value}: {reason}"
        restart = state.restart
        advice = f"{self._see_log()} Then start it: `{self._command('start')}`."
        if restart.pending:
            advice = f"It is restarted by itself. {self._see_log()}"
        elif restart.restart_attempts:
            reason += "; it is not restarted any more"
            if restart.last_failure_reason not in (None, "", state.exit_reason):
                reason += f" ({restart.last_failure_reason})"
        return Judgement(Verdict.ATTENTION, reason, state.stopped_at, advice, expected_up=True)

    # -- parts -----------------------------------------------------------------------------

    def _why_ended(self) -> str:
        state = self._state
        if state.exit_reason:
            return state.exit_reason
        if state.exit_signal:
            return f"ended by signal {state.exit_signal}"
        return _NO_REASON if state.exit_code is None else f"exit code {state.exit_code}"

    def _over(self, since: float | None, limit: float) -> bool:
        return since is not None and self._now - since > limit

    def _failed_boot(self) -> bool:
        """Whether the boot is degraded because of it (contract rest.md 2)."""
        boot = self._boot
        return boot is not None and boot.phase is Phase.DEGRADED and self._name in boot.failures

    def _ok(self, text: str, since: float | None = None, *, up: bool = False) -> Judgement:
        return Judgement(Verdict.OK, f"{self._name} {text}", since, ready=up, expected_up=up)

    def _attention(self, text: str, since: float | None, advice: str) -> Judgement:
        reason = f"{self._name} {text}"
        return Judgement(Verdict.ATTENTION, reason, since, advice, expected_up=True)

    def _see_log(self) -> str:
        return f"See `{self._command('logs')}`."

    def _unblock(self) -> str:
        return f"Start or repair what it waits for, or stop it: `{self._command('stop')}`."

    def _command(self, verb: str) -> str:
        quoted = self._name.replace("'", "'\\''")
        return f"dumb {verb} '{quoted}'"
