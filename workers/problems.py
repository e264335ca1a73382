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


def of_user(error: Exception) -> bool:
    """Whether a user can mend it; told by its name, so that no library is loaded just to catch what it raises."""
    return any(
        kind.__name__ in _OF_USERS and kind.__module__.partition(".")[0] in _OURS for kind in type(error).__mro__
    )


def in_one_line(error: Exception) -> str:
    """What the error says, without its traceback; an operating system's error in plain words."""
    if isinstance(error, OSError) and error.errno is not None:
        error = explained(error)
    elif "No space left on device" in str(error):
        error = explained(OSError(errno.ENOSPC, "No space left on device"))
    text = " ".join(str(error).split())
    return text if of_user(error) else f"{type(error).__name__}: {text}".removesuffix(": ")


_OURS = {"training", "verification", "webapp", "workers"}
_OF_USERS = {
    "AdapterError",
    "AlignError",
    "CurriculumError",
    "DistributionError",
    "EnvironmentProblem",
    "EvaluationError",
    "FrontendError",
    "LaunchError",
    "ModelError",
    "Paused",
    "PreferenceError",
    "Problem",
    "PromptError",
    "SFTError",
    "SandboxUnavailable",
    "SettingsError",
    "TaskFileError",
    "TokenizerError",
    "UsageError",
}
