"""``aval``: an old Python is told so before anything is imported that it can't read."""

import sys

if sys.version_info < (3, 11):  # noqa: UP036 (the installer's check can be by-passed)
    sys.stderr.write(
        "aval needs Python 3.11 or later, not {}.{}: install one, "
        "or name it with make PYTHON=/path/to/python3.11\n".format(*sys.version_info[:2])
    )
    sys.exit(2)

from workers.commands import main

__all__ = ["main"]

if __name__ == "__main__":
    sys.exit(main())
