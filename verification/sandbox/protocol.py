"""What the pool and its zygotes say to each other, beside what the confined processes say (standard library only)."""

from __future__ import annotations

import struct

JOB = struct.Struct("=QBddQI")
"""number, mode, CPU seconds, wall seconds, bytes of memory, threads"""

END = struct.Struct("=QBidqBidq")
"""number, then twice (program, tester): why it was stopped, wait status, CPU seconds, peak resident kilobytes"""

VALUES, ASSERTS, FILE_ATTACKS, CALL_ATTACKS, REPLAYED = range(5)
"""Modes of a job."""

BY_ITSELF, CPU_TIME, WALL_TIME, STARVED, NOT_NEEDED = range(5)
"""Why a process was stopped."""

LEAN, FULL, REPLAY = "lean", "full", "replay"
"""Images of the interpreter that a zygote may hold (see `lean`, `stdlib`); the third is the full one with a `stage`."""

READY = b"ready\n"
"""Sent once a process is confined and before it has read a byte of the program."""

FAILED = b"failed: "
"""Sent in its place, followed by the reason, when a layer could not be set up."""

WANTS_LIBRARY = "library"
"""The message of a process of the lean image that needs a module which only the full one has."""
