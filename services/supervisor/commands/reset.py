"""`reset-restart-state`: forget what is known of a service's automatic restarts."""

from services.supervisor.fleet.restarts import Restarter
from services.supervisor.job import Job
from services.supervisor.registry import Registry
from shared.errors import AmbiguousServiceError, UnknownServiceError
from shared.models.command import CommandStatus


class Reset:
    """Takes `reset-restart-state`."""

    def __init__(self, registry: Registry, restarter: Restarter) -> None:
        self._registry = registry
        self._restarter = restarter

    def submit(self, job: Job) -> None:
        """Take a claimed job; it is finished here."""
        try:
            name = self._registry.find(job.command.process_name)
        except (UnknownServiceError, AmbiguousServiceError) as error:
            job.finish(CommandStatus.REJECTED, str(error))
            return
        job.receipt.process_name = name
        unit = self._registry.units.get(name)
        if unit is None:
            job.finish(CommandStatus.REJECTED, f"'{name}' is this API itself: nobody restarts it.")
            return
        job.finish(CommandStatus.SUCCEEDED, self._restarter.reset(unit))
