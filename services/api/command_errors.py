"""What can go wrong between a request and what the supervisor has to say to it."""

from shared.errors import DumbError


class KeyReusedError(DumbError):
    """An `Idempotency-Key` came back with another request."""

    code = "key_reused"


class ReceiptError(DumbError):
    """The key of a receipt holds something that is none."""

    code = "receipt"


class StateError(DumbError):
    """The key of a service holds something that is no state."""

    code = "state"


class ReplicaEndsError(DumbError):
    """This replica is about to end; the command goes on without it."""

    code = "replica_ends"

    def __init__(self, command_id: str) -> None:
        location = f"/process/commands/{command_id}"
        super().__init__(
            "This replica of the API ends before the command does. The command goes on: "
            f"follow it at {location}"
        )
        self.command_id = command_id
        self.location = location


class StillRunningError(DumbError):
    """The service's own budget has passed; the command goes on. `location` shows its receipt."""

    code = "still_running"

    def __init__(self, command_id: str, location: str, waited_s: float) -> None:
        super().__init__(
            f"Not finished after {waited_s:.0f} s. The command goes on: follow it at {location}"
        )
        self.command_id = command_id
        self.location = location
