"""How commands are counted: the hash `dumb:commands:counts` (docs/protocol.md)."""

from typing import Final

from shared.models.command import Action, Receipt

BUCKETS_S: Final = (0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300)
"""Upper ends of the histogram; most commands answer within a second, some wait for a port."""
COUNT: Final = "count"
SUM: Final = "sum"


def counted(receipt: Receipt) -> tuple[str, ...]:
    """What a final receipt adds to: its labels, its seconds, and the buckets it falls into.

    Nothing for one that is still open. An action that nobody knows (the entry was rejected) is
    `other`: what strangers write must not make up labels.
    """
    if not receipt.status.final:
        return ()
    action = receipt.action if receipt.action in set(Action) else "other"
    seconds = max((receipt.finished_at or receipt.created_at) - receipt.created_at, 0.0)
    buckets = (f"le{le}" for le in BUCKETS_S if seconds <= le)
    return f"{action}|{receipt.status}", f"{seconds:.6f}", *buckets
