"""Runs untrusted Python fast, and lets it forge nothing.

    from verification.sandbox import run_tests
    run_tests("def add(a, b):\\n    return a + b", "add", ["assert add(1, 2) == 3"]).status    # 'passed'

A program runs in a process of its own, forked from a zygote, behind a seccomp filter, Landlock and, where the machine
has them, namespaces. The program never holds an expected value: it is told arguments, and what it returns is a claim
that is compared elsewhere. Linux only (x86_64; the aarch64 table is untried). Not covered: side channels, such as
timing and what the processor leaks, and holes in the kernel's few remaining system calls.
"""

from verification.sandbox.codec import Member, Record, Unserialisable
from verification.sandbox.jobs import Job
from verification.sandbox.policy import (
    STATUSES,
    BadTest,
    Limits,
    Result,
    SandboxError,
    SandboxReport,
    SandboxUnavailable,
)
from verification.sandbox.pool import Pool, call, check, run_tests
from verification.sandbox.scene import Aftermath, Scene

__all__ = [
    "STATUSES",
    "Aftermath",
    "BadTest",
    "Job",
    "Limits",
    "Member",
    "Pool",
    "Record",
    "Result",
    "SandboxError",
    "SandboxReport",
    "SandboxUnavailable",
    "Scene",
    "Unserialisable",
    "call",
    "check",
    "run_tests",
]
