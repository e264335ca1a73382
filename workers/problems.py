"""What a user can mend: told in one line, with exit code 2 and no traceback."""

from __future__ import annotations

import errno


class Problem(Exception):
    """The message says what happened and what to do."""


def explained(error: OSError) -> Problem:
    """An operating system's error as something to mend."""
    where = f" at {error.filename}" if error.filename else ""
    if error.errno in {errno.ENOSPC, errno.EDQUOT}:
        return Problem(f"the disk is full{where}: free some space, or set AVAL_HOME to a folder on another disk")
    if error.errno in {errno.EACCES, errno.EPERM, errno.EROFS}:
        return Problem(f"not allowed to write{where}: set AVAL_HOME to a folder that you may write to")
    if error.errno == errno.ENOENT and error.filename:
        return Problem(f"there is no {error.filename}: check the path")
    return Problem(f"{error.strerror or error}{where}")
