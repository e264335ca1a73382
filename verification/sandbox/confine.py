"""How the zygote and each of its children give up what they could do, layer upon layer."""

from __future__ import annotations

import gc
import os
import resource
from collections.abc import Collection
from typing import NamedTuple

from verification.sandbox import kernel, landlock, namespaces, seccomp, stage
from verification.sandbox.layers import Layer, Refused, refusal

_OWN_IDS = 0x60000000  # user ids that no account has; one a zygote, so that the kernel counts its threads apart
_NOBODY = 65534
_CLOSED = resource.RLIMIT_CORE, resource.RLIMIT_FSIZE, resource.RLIMIT_MEMLOCK, resource.RLIMIT_MSGQUEUE
_DESCRIPTORS = 64
_LARGEST_FILE = 1 << 20  # of a replayed program; all others can write to no file
_MORE_PROCESSES = 12  # that a replayed program may start


class Confinement(NamedTuple):
    """What holds for the zygote, and what each child has yet to do."""

    layers: list[Layer]
    last_filter: seccomp.Filter
    """What each child installs on top of the zygote's own."""

    baseline: int
    """Bytes of address space that the zygote has mapped: on top of it comes what a program may use."""

    counts_threads: bool
    others: int
    """Threads of the same user that are none of ours, where the kernel counts them all together."""

    has_own_processes: bool
    stage: stage.Stage | None
    """The replay profile's folders; None in the profile of tests."""


def confine_zygote(
    *, forgo: Collection[str], identity: int, in_namespaces: bool, why_not: str, folder: str = ""
) -> Confinement:
    """Everything that needs doing once; afterwards no file can be opened and no privilege is left.

    `folder` chooses the replay profile: all beneath it stays open, and a shell may be executed. Raises Refused, which
    names the layer, when the required ones can't hold.
    """
    filters, seccomp_layer = _seccomp(forgo, replay=bool(folder))
    version = 0 if "landlock" in forgo else landlock.version()
    reason = refusal(seccomp=bool(filters), landlock=version > 0, mount_namespace=in_namespaces, replay=bool(folder))
    if reason:
        raise Refused(reason)
    baseline = _mapped_bytes()
    stage_ = None
    root = "an empty root"
    if folder:
        root = "the machine's root, behind Landlock; the folder in memory"
        if in_namespaces:
            stage.cover(folder)
        stage_ = stage.Stage(folder)
    elif in_namespaces:
        namespaces.leave_root()
    kernel.set_no_new_privileges()
    dropped, counts_threads = _drop_privileges(identity, own_users=in_namespaces, folder=folder)
    if folder and not counts_threads and os.geteuid() == 0:
        raise Refused("a replay may start processes, and nothing limits root's: use a user that is not root")
    others = _threads_of(os.geteuid()) if folder and not counts_threads else 0
    for limit in _CLOSED:
        most = _LARGEST_FILE if folder and limit == resource.RLIMIT_FSIZE else 0
        resource.setrlimit(limit, (most, most))
    resource.setrlimit(resource.RLIMIT_NOFILE, (_DESCRIPTORS, _DESCRIPTORS))
    kernel.hide_memory()
    if version:
        ruleset = landlock.ruleset(stage_.exempt() if stage_ else ())
        landlock.restrict(ruleset)
        os.close(ruleset)
    filters[0].install()
    absent = "" if in_namespaces else why_not
    layers = [
        seccomp_layer,
        Layer("landlock", version > 0, f"version {version}" if version else "not in this kernel, or forgone"),
        Layer("mount namespace", in_namespaces, absent or root),
        Layer("other namespaces", in_namespaces, absent or "processes, network, IPC, host name, cgroups"),
        Layer("dropped privileges", True, dropped),
        Layer("thread count", counts_threads, "" if counts_threads else "bounded by memory and CPU time alone"),
        Layer("limits", True, "CPU time, address space, descriptors, file size, core"),
    ]
    return Confinement(layers, filters[1], baseline, counts_threads, others, in_namespaces, stage_)


def confine_child(
    confinement: Confinement, *, memory: int, cpu_seconds: float, threads: int, keep: int, parent: int
) -> None:
    """What is left for each child: its limits, every other descriptor closed, seccomp. Landlock it was born with."""
    if not confinement.has_own_processes:  # else the kernel ends it with the zygote, which is process 1 there
        kernel.die_with_parent(parent)
    space = confinement.baseline + memory
    resource.setrlimit(resource.RLIMIT_AS, (space, space))
    whole = int(cpu_seconds) + 2  # the zygote stops it earlier, and to the fraction; this is the kernel's own stop
    resource.setrlimit(resource.RLIMIT_CPU, (whole, whole))
    most = confinement.others + threads + 4  # the zygote, the program, its tester and their like count too
    if confinement.stage is not None:
        most += _MORE_PROCESSES
    if confinement.counts_threads or confinement.stage is not None:
        resource.setrlimit(resource.RLIMIT_NPROC, (most, most))
    os.closerange(keep, _DESCRIPTORS)
    confinement.last_filter.install()
    gc.enable()


def _seccomp(forgo: Collection[str], *, replay: bool) -> tuple[list[seccomp.Filter], Layer]:
    """The zygote's filter and what each child adds to it; none where seccomp is missing."""
    if "seccomp" in forgo:
        return [], Layer("seccomp", False, "forgone", required=True)
    try:
        filters = [seccomp.Filter(made, replay=replay) for made in (seccomp.for_zygote, seccomp.for_child)]
    except OSError as error:
        return [], Layer("seccomp", False, str(error), required=True)
    listed = "files and processes, no sockets" if replay else "none of which takes a path"
    return filters, Layer("seccomp", True, f"a list of allowed calls, {listed}", True)


def _drop_privileges(identity: int, *, own_users: bool, folder: str) -> tuple[str, bool]:
    """(what was done, whether the kernel now counts this zygote's threads apart)."""
    was_root = os.geteuid() == 0
    detail, apart = "an ordinary user already", own_users
    if was_root:
        detail, apart = _become_nobody(identity, folder)
    kernel.drop_capabilities()
    return detail, apart


def _become_nobody(identity: int, folder: str) -> tuple[str, bool]:
    """Another user, who gets the folder, if there is one."""
    for user in (_OWN_IDS + identity % 0x0FFFFFFF, _NOBODY):
        try:
            os.setgroups([])
            if folder:
                os.chown(folder, user, user)
            os.setresgid(user, user, user)
            os.setresuid(user, user, user)
        except OSError:
            continue  # not mapped in this user namespace, or root in name only
        return f"from root to user {user}", user != _NOBODY
    return "root without capabilities: it may become no other user here", False


def _threads_of(user: int) -> int:
    """How many threads this user has now, by /proc."""
    found = 0
    for name in os.listdir("/proc"):
        if name.isdigit():
            try:
                if os.stat(f"/proc/{name}").st_uid == user:
                    found += len(os.listdir(f"/proc/{name}/task"))
            except OSError:
                continue  # it has ended
    return found


def _mapped_bytes() -> int:
    with open("/proc/self/statm") as file:
        return int(file.read().split()[0]) * resource.getpagesize()
