"""Why a service is left alone."""

from shared.errors import DumbError


class PlanError(DumbError):
    """This service cannot be set up as it is wished; nothing of it was changed."""

    code = "plan"
