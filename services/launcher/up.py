"""`dumb up`: from an empty directory to a running stack, and back."""

import math
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from services.launcher import private_redis
from services.launcher.api_port import PortError, is_live, refuse_taken
from services.launcher.console import Console
from services.launcher.crew import Crew
from services.launcher.exposure import exposure
from services.launcher.fifos import Fifos
from services.launcher.files import write_private
from services.launcher.first_account import hint
from services.launcher.handover import take_over
from services.launcher.home import HomeLock, copy_sample, make_home, take_home
from services.launcher.kernel import become_subreaper
from services.launcher.programs import Program
from services.launcher.redis_binary import redis_servers
from services.launcher.redis_data import chosen_server
from services.launcher.redis_ping import Ping, ping
from services.launcher.shutdown import Shutdown
from services.launcher.signals import Signals
from shared.api_address import api_address, http_base
from shared.errors import DumbError
from shared.exits import Exit
from shared.redis_url import RedisAddress, parse_redis_url
from shared.settings import Settings, SettingsError
from shared.tls import server_context

GIVEN_REDIS_S: Final = 10.0
PRIVATE_REDIS_S: Final = 20.0
LOADING_S: Final = 600.0
"""A large append-only file may take minutes to read; Redis says that it is doing so."""

API_S: Final = 30.0
LEFT_BEHIND_S: Final = 10.0
HOLD_S: Final = 10.0
"""By then the next supervisor has opened every FIFO itself; holding on longer does no harm."""


@dataclass(frozen=True, slots=True)
class Options:
    """What to start. `redis_url` is the environment's: empty means a private Redis."""

    settings: Settings
    redis_url: str
    programs: tuple[Program, ...]
    sample: Path
    environ: Mapping[str, str]
    given_redis_s: float = GIVEN_REDIS_S
    """How long the Redis of `redis_url` may take until it answers."""
    api_s: float = API_S
    """After this long without an answer of the API it is said; the waiting goes on."""


class Stopped(Exception):  # noqa: N818 - it is no error: a person asked to stop during the start
    """A stop signal, or a program's refusal, came before everything ran."""


class RedisAwayError(DumbError):
    """Redis did not answer in time."""

    code = "redis_away"
    exit_code = Exit.UNAVAILABLE


class Up:
    """One run of `dumb up`."""

    def __init__(self, options: Options, console: Console) -> None:
        self._options = options
        self._settings = options.settings
        self._console = console
        self._signals = Signals()
        self._crew = Crew(console, self._signals)
        self._crew.on_death = self._hold
        self._fifos = Fifos(options.settings.run_dir)
        self._held_since = math.inf

    def run(self) -> int:
        """Start everything, keep it running, stop it when told to. Returns the exit code.

        Raises:
            DumbError: it cannot start; one sentence. Whatever had been started is stopped.
        """
        for sentence in take_home(self._settings):
            self._console.say(sentence)
        make_home(self._settings.home)
        lock = HomeLock(self._settings.home)
        lock.acquire()
        become_subreaper()
        try:
            return self._run(lock.left_behind)
        finally:
            for file in (self._settings.redis_url_file, self._settings.api_tls_file):
                with suppress(OSError):
                    file.unlink(missing_ok=True)
            lock.release()

    def _run(self, left_behind: bool) -> int:
        try:
            with suppress(Stopped):
                self._start(left_behind)
                while not self._signals.stops and not self._crew.fatal:
                    self._crew.turn()
                    self._let_go()
            self._console.say(self._crew.fatal or "stopping: services first, Redis last")
        finally:
            Shutdown(self._crew, self._console, self._signals).run()
        self._console.say("stopped")
        return self._crew.fatal_code or self._crew.end_code

    def _hold(self, program: Program) -> None:
        """The supervisor died: services that end now must not take their last words along."""
        if program.outlives_launcher:
            self._fifos.hold()
            self._held_since = time.monotonic()

    def _let_go(self) -> None:
        if time.monotonic() - self._held_since > HOLD_S:
            self._fifos.release()
            self._held_since = math.inf

    def _start(self, left_behind: bool) -> None:
        settings = self._settings
        if copy_sample(self._options.sample, settings.config_path):
            self._console.say(f"wrote the configuration {settings.config_path}")
        names = {program.name for program in self._options.programs}
        if "supervisor" in names:
            former = take_over(settings.run_dir / "supervisor.lock", self._pause)
            if former is not None:
                self._console.say(f"the supervisor of the last run (pid {former}) has handed over")
        if "api" in names:
            self._leave_certificate()
            self._check_port(LEFT_BEHIND_S if left_behind else 0.0)
        url = self._redis()
        environ = {**self._options.environ, "REDIS_URL": url}
        for program in self._options.programs:
            self._crew.start(program, environ)
        self._announce("api" in names)

    def _pause(self, seconds: float) -> None:
        """Sleep for a moment while programs and signals are looked after."""
        self._crew.turn(seconds)
        if self._signals.stops or self._crew.fatal:
            raise Stopped

    def _check_port(self, patience: float) -> None:
        deadline = time.monotonic() + patience
        while True:
            try:
                host, port = api_address(self._settings)
                refuse_taken(host, port, str(self._settings.config_path))
            except PortError:
                if time.monotonic() >= deadline:
                    raise
                self._pause(0.1)
            else:
                return

    def _redis(self) -> str:
        """The URL that the programs get; `redis.url` gets the one for redis-cli."""
        if self._options.redis_url:
            address = self._given_redis()
            self._write_url(address)
            return self._options.redis_url
        home = self._settings.home
        private_redis.end_former(home, self._pause)
        self._crew.restarting = False  # if it does not start, its log says why, once
        try:
            server, why = chosen_server(private_redis.data_directory(home), redis_servers())
            if why:
                self._console.say(why)
            private = private_redis.prepare(home, server.path)
            self._crew.start(private.program, self._options.environ)
        except OSError as error:
            raise DumbError(f"The private Redis cannot be started: {error}.") from error
        self._await_private(private)
        self._crew.restarting = True
        self._write_url(private.tcp)
        return (private.unix or private.tcp).to_url()

    def _given_redis(self) -> RedisAddress:
        try:
            address = parse_redis_url(self._options.redis_url)
        except ValueError as error:
            raise SettingsError(f"REDIS_URL cannot be used: {error}.") from error
        self._answers(address, self._options.given_redis_s)
        return address

    def _await_private(self, private: private_redis.PrivateRedis) -> None:
        member = self._crew.members[0]
        try:
            self._answers(private.tcp, PRIVATE_REDIS_S, lambda: member.child is not None)
        except RedisAwayError as error:
            raise DumbError(
                f"The private Redis does not answer. {private.log} ends with:\n{private.log_tail()}"
            ) from error

    def _answers(
        self, address: RedisAddress, seconds: float, alive: Callable[[], bool] = lambda: True
    ) -> None:
        now = time.monotonic()
        deadline, longest = now + seconds, now + LOADING_S
        trouble = "it is still reading its data"
        while True:
            try:
                if ping(address) is Ping.OK:
                    return
                deadline = longest
            except OSError as error:
                trouble = error.strerror or str(error)
            if time.monotonic() >= deadline or not alive():
                raise RedisAwayError(
                    f"Redis at {address.place} does not answer ({trouble}): "
                    "start it, or correct REDIS_URL."
                )
            self._pause(0.05)

    def _write_url(self, address: RedisAddress) -> None:
        try:
            write_private(self._settings.redis_url_file, f"{address.to_url()}\n".encode())
        except OSError as error:
            path = self._settings.redis_url_file
            raise DumbError(f"{path} cannot be written: {error.strerror}.") from error

    def _leave_certificate(self) -> None:
        """Tell the command line in other shells that the API speaks TLS, and with what.

        Raises:
            SettingsError: the certificate cannot be used; before anything is started.
        """
        settings = self._settings
        if settings.tls_cert is None or settings.tls_key is None:
            settings.api_tls_file.unlink(missing_ok=True)
            return
        server_context(settings.tls_cert, settings.tls_key)
        write_private(settings.api_tls_file, f"{settings.tls_cert}\n".encode())

    def _announce(self, with_api: bool) -> None:
        settings = self._settings
        host, port = api_address(settings)
        tls = settings.tls_cert is not None
        base = http_base(host, port, tls=tls)
        deadline = time.monotonic() + self._options.api_s
        while with_api and not is_live(host, port, tls=tls):
            self._pause(0.1)
            if time.monotonic() > deadline:
                deadline = math.inf
                self._console.say(f"the API does not answer at {base} yet; see its lines above")
        api = f"API    {base}      docs  {base}/docs\n" if with_api else ""
        # A certificate is for the machine's name, hardly for 127.0.0.1.
        curl = "curl --insecure" if tls else "curl"
        curl = f"  {curl} {base}/process/processes\n" if with_api else ""
        account = hint(host, port, base) if with_api else ""
        warning = exposure(host, settings) if with_api else ""
        self._console.say(
            f"{api}logs   {settings.log_dir}\nRedis  {settings.redis_url_file}\n"
            f"Try, in another terminal:\n{curl}"
            "  ./dumb redis-cli XADD dumb:triggers '*' action restart "
            'process_name "Demo File Server"\n'
            f"{account}{warning}"
            "Ctrl-C stops everything: services first, Redis last."
        )
