"""Commands that read or change application files, carried out beside the supervisor's loop."""

import asyncio
import logging
from collections.abc import Callable, Collection
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Final

from services.supervisor.appfiles.editor import Editor, Request
from services.supervisor.appfiles.errors import AppFileError
from services.supervisor.job import Job
from services.supervisor.outbox import Outbox
from services.supervisor.spawn import Surroundings, owner_of
from shared.config.services import ServiceBlock
from shared.models.app_config import FileFault
from shared.models.command import Action, CommandStatus
from shared.settings import Settings

_log = logging.getLogger(__name__)

THREADS: Final = 2
"""Of its own: a slow file must not hold up those that sync the journal."""


class AppFiles:
    """Per service one after another, in the order of the commands."""

    def __init__(
        self,
        services: Callable[[], list[ServiceBlock]],
        around: Callable[[], Surroundings],
        outbox: Outbox,
        own: Collection[Path],
    ) -> None:
        """`own`: files and directories of the control plane, which no service may name."""
        self._services = services
        self._around = around
        self._outbox = outbox
        self._own = own
        self._editor = Editor()
        self._pool = ThreadPoolExecutor(THREADS, thread_name_prefix="appfiles")
        self._turns: dict[str, asyncio.Lock] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    def submit(self, job: Job) -> None:
        """Take a claimed `read-app-config` or `update-app-config`; the job tells the outcome."""
        task = asyncio.get_running_loop().create_task(self._work(job))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def close(self) -> None:
        """Take no more; what is being written is finished."""
        self._pool.shutdown(wait=False, cancel_futures=True)

    async def _work(self, job: Job) -> None:
        try:
            async with self._turns.setdefault(job.command.process_name, asyncio.Lock()):
                if not job.may_begin():
                    return
                detail = await self._carry_out(job)
        except AppFileError as error:
            job.receipt.result = {"fault": error.fault.value}
            job.finish(CommandStatus.FAILED, str(error))
        except Exception as error:  # noqa: BLE001 - the edge: no file may end the supervision
            # Without the trace's text: it could quote the file.
            _log.error("%s failed: %s", job.command.action, type(error).__name__)
            job.finish(CommandStatus.FAILED, f"Internal error: {type(error).__name__}")
        else:
            job.finish(CommandStatus.SUCCEEDED, detail)

    async def _carry_out(self, job: Job) -> str:
        command = job.command
        service = self._find(command.process_name)
        around = self._around()
        request = Request(
            service, around.placeholders(), around.home, self._own, owner_of(service, around)
        )
        if command.action is Action.READ_APP_CONFIG:
            answer = await self._in_thread(self._editor.read, request)
            self._outbox.answer(command.id, answer)
            return "read"
        updates = command.args.get("updates")
        changed = await self._in_thread(self._editor.update, request, updates)
        job.receipt.result = {"changed": changed}
        return "changed" if changed else "nothing to change"

    async def _in_thread(self, work: Callable[..., Any], *args: Any) -> Any:
        return await asyncio.get_running_loop().run_in_executor(self._pool, work, *args)

    def _find(self, name: str) -> ServiceBlock:
        for service in self._services():
            if service.process_name == name:
                return service
        raise AppFileError(FileFault.UNKNOWN_SERVICE, "Service not found")


def own_files(settings: Settings) -> tuple[Path, ...]:
    """What belongs to the control plane and is edited in other ways, or not at all."""
    home = settings.home
    return (
        settings.config_path,
        settings.users_path,
        settings.run_dir,
        settings.log_dir,
        home / "redis",
        settings.redis_url_file,
        home / ".env",
    )


def no_logs(settings: Settings) -> tuple[Path, ...]:
    """What no block may name as its log file. The directory of our own logs is none of it: a log
    that we capture may be there under another name."""
    kept = (path for path in own_files(settings) if path != settings.log_dir)
    return (*kept, Path("/run/secrets"))
