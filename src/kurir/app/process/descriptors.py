"""The limit of open files: each connection is one, and a shell's usual 1,024 would turn away the rest."""

import contextlib
import resource

RESERVE = 1000
"""Descriptors for everything but connections of clients: deliveries, files, the database, pipes.

It is asked for, but nobody is warned where it alone is missing: the day on which all sessions are taken is rare, and
more come in as others end.
"""


def make_room(sessions: int) -> int | None:
    """Raise the limit of open files so that `sessions` connections fit, as far as this process may.

    Children inherit it.  Returns the limit where it stays too low for so many sessions, else None.
    """
    wanted = sessions + RESERVE
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if _enough(soft, wanted):
        return None
    if not _enough(hard, wanted):
        with contextlib.suppress(ValueError, OSError):  # only root may
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, wanted))
            return None
        wanted = hard
    with contextlib.suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
        soft = wanted
    return None if soft >= sessions else soft


def _enough(limit: int, wanted: int) -> bool:
    return limit == resource.RLIM_INFINITY or limit >= wanted
