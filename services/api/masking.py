"""Who sees secrets, and a note of it when they do."""

from typing import Annotated

from fastapi import Depends, Query
from starlette.requests import Request

from services.api.auth.principal import Principal
from services.api.secret_reads import SecretReads
from shared.config.masking import masked
from shared.models.account import Role


async def _mask_wanted(
    request: Request,
    masked: Annotated[bool, Query(description="Show secrets as `***`")] = False,
) -> bool:
    """Always for whoever is no administrator, and for an administrator who asks for it."""
    principal: Principal = request.state.principal
    hidden = masked or principal.role is not Role.ADMIN
    if not hidden:
        reads: SecretReads = request.app.state.secret_reads
        await reads.note(request, principal.username)
    return hidden


__all__ = ["MaskDep", "masked"]

MaskDep = Annotated[bool, Depends(_mask_wanted)]
