"""Who sees secrets, and a note of it when they do."""

from collections.abc import Callable
from typing import Annotated, Any, Final

from fastapi import Depends, Query
from starlette.requests import Request

from services.api.auth.principal import Principal
from services.api.secret_reads import SecretReads
from shared.config.masking import masked, without_env
from shared.models.account import Role

Show = Callable[[Any], Any]
"""From a part of the configuration to what the one who asks may see of it."""


def in_clear(tree: Any) -> Any:
    """For administrators."""
    return tree


def for_others(tree: Any) -> Any:
    """For operators and viewers: no secret, and no value of an environment at all."""
    return masked(without_env(tree))


async def _show(
    request: Request,
    masked: Annotated[bool, Query(description="Show secrets as `***`")] = False,
) -> Show:
    principal: Principal = request.state.principal
    if principal.role is not Role.ADMIN:
        return for_others
    if masked:
        return _MASKED
    reads: SecretReads = request.app.state.secret_reads
    await reads.note(request, principal.username)
    return in_clear


_MASKED: Final[Show] = masked

ShowDep = Annotated[Show, Depends(_show)]
