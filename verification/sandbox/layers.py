"""The layers of isolation, and which of them must hold (little code, for every confined process carries it)."""

from __future__ import annotations

from typing import NamedTuple


class Refused(Exception):
    """A required layer is missing; the message names it and says what to do."""


class Layer(NamedTuple):
    """One means of isolation on this machine."""

    name: str
    holds: bool
    detail: str = ""
    required: bool = False

    def line(self) -> str:
        state = "holds" if self.holds else ("MISSING" if self.required else "absent")
        return f"{self.name:<18} {state:<8} {self.detail}".rstrip()


def refusal(*, seccomp: bool, landlock: bool, mount_namespace: bool, replay: bool = False) -> str:
    """The rule: seccomp and (Landlock or a mount namespace of one's own), else the layer that is missing.

    A replay, which may use files and a shell, needs Landlock in any case.
    """
    if not seccomp:
        return "seccomp filters are not available: run on a Linux kernel with CONFIG_SECCOMP_FILTER"
    if not landlock and not mount_namespace:
        return (
            "neither Landlock (Linux 5.13 or later, enabled in the lsm= list) nor a mount namespace is available: "
            "enable one of them, or run in a container whose profile allows Landlock (Docker's default does)"
        )
    if replay and not landlock:
        return "a replay with files and a shell needs Landlock (Linux 5.13 or later, enabled in the lsm= list)"
    return ""
