"""Becoming a harmless user after the ports are bound."""

import grp
import os
import pwd
from pathlib import Path

from kurir.model.told import told


class PrivilegeError(Exception):
    """The user cannot be become; the text says why and what to do."""


def lookup(user: str) -> pwd.struct_passwd:
    """Return the user's record.  Raises `PrivilegeError` where there is none, or it is root."""
    try:
        record = pwd.getpwnam(user)
    except KeyError:
        raise PrivilegeError(
            told(
                "server.user: there is no user {user!r}; make one with: useradd --system --home /nonexistent {user}",
                user=user,
            )
        ) from None
    if record.pw_uid == 0:
        raise PrivilegeError(told("server.user: root is no harmless user; name another one"))
    return record


def give(folder: Path, user: str) -> None:
    """Give `folder` and everything in it that belongs to root to `user` (symbolic links are not followed)."""
    record = lookup(user)
    for place, folders, files in os.walk(folder):
        for name in [".", *folders, *files]:
            path = os.path.join(place, name)
            if os.lstat(path).st_uid == 0:
                os.chown(path, record.pw_uid, record.pw_gid, follow_symlinks=False)


def drop(user: str) -> None:
    """Become `user` for good.  Raises `PrivilegeError` when anything of it did not work."""
    record = lookup(user)
    groups = [g.gr_gid for g in grp.getgrall() if record.pw_name in g.gr_mem]
    try:
        os.setgroups([record.pw_gid, *groups])
        os.setresgid(record.pw_gid, record.pw_gid, record.pw_gid)
        os.setresuid(record.pw_uid, record.pw_uid, record.pw_uid)
    except OSError as e:
        raise PrivilegeError(
            told("cannot become {user!r}: {strerror}", user=user, strerror=e.strerror)
        ) from None
    # A check that the way back is closed: a half-dropped process is worse than none.
    try:
        os.setuid(0)
    except OSError:
        _still_runs(user)
        return
    raise PrivilegeError(told("became {user!r}, but root could be taken back; refusing to run", user=user))


def _still_runs(user: str) -> None:
    """Prove that Python's own library can still be read: some of it is imported only when it is needed.

    Raises `PrivilegeError`, for instance where Python was installed below the home of root.
    """
    library = os.__file__
    try:
        with open(library, "rb"):
            return
    except OSError:
        raise PrivilegeError(
            told(
                "the user {user!r} cannot read Python itself ({file}); use a Python that all may read",
                user=user,
                file=library,
            )
        ) from None
