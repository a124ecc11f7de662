"""`env_copy`: a file that is copied before each start (contract config.md 3)."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from services.supervisor.probes.apart import apart
from services.supervisor.probes.run import Person, run
from services.supervisor.spawn import LaunchError, LaunchSpec

TIMEOUT_S: Final = 10.0


async def copy_env(paths: Mapping[str, Any], spec: LaunchSpec) -> str:
    """Copy `source` to `destination` if it exists; what was done, in words.

    By a program that runs as the service does: with the supervisor's own rights, a link that the
    service laid could lead anywhere.

    Raises:
        LaunchError: it exists and cannot be copied.
    """
    source, destination = (str(spec.cwd / str(paths[key])) for key in ("source", "destination"))
    if not await apart(lambda: Path(source).exists()):
        return f"env_copy: no {source}"
    argv = ["install", "-D", "-T", "-m", "0600", "--", source, destination]
    person = Person(spec.env, spec.cwd, spec.uid, spec.gid)
    try:
        ran = await run(argv, person, TIMEOUT_S)
    except OSError as error:
        raise LaunchError(f"env_copy needs the program 'install': {error.strerror}.") from error
    if ran.code != 0:
        said = ran.output.strip().splitlines()[-1:] or ["it did not end in time"]
        raise LaunchError(f"env_copy of {source} failed: {said[0]}.")
    return f"copied {source}"
