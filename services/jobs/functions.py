"""What each job does: the only functions that a job in Redis can call."""

from typing import Final

from services.jobs.housekeeping.history import check_history
from services.jobs.housekeeping.logs import retain_logs
from services.jobs.housekeeping.sessions import clean_sessions
from services.jobs.housekeeping.snapshots import snapshot_config
from services.jobs.job import Function
from services.jobs.seerr import tasks as seerr
from shared.jobs import Kind

FUNCTIONS: Final[dict[str, Function]] = {
    Kind.SEERR_SYNC: seerr.sync,
    Kind.SEERR_PLAN: seerr.plan,
    Kind.SEERR_MIRROR: seerr.mirror,
    Kind.CONFIG_SNAPSHOT: snapshot_config,
    Kind.LOG_RETENTION: retain_logs,
    Kind.HISTORY_CHECK: check_history,
    Kind.SESSION_CLEANUP: clean_sessions,
}
