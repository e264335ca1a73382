"""What granian serves: the web application, in a process that dies with granian's own."""

from __future__ import annotations

import os

from workers.processes import dying_with

dying_with(os.getppid())()

from webapp.asgi import application  # noqa: E402

__all__ = ["application"]
