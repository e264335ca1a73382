"""One zygote as the pool sees it: its process, its socket, and the self-attacks it has to withstand."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from verification.sandbox import frames, protocol
from verification.sandbox.layers import Layer
from verification.sandbox.policy import Attack, SandboxError, SandboxUnavailable

_START_SECONDS = 60.0
_FOLDER = Path(__file__).resolve().parent
# Stands in for the packages, whose own __init__ would load what a zygote must not hold.
_BOOT = """
import os, sys, types
os.register_at_fork = lambda **_: None  # hooks cost a third of a fork; one thread needs none of them
for name, folder in (("verification", sys.argv[2]), ("verification.sandbox", sys.argv[1])):
    sys.modules[name] = types.ModuleType(name)
    sys.modules[name].__path__ = [folder]
from verification.sandbox.zygote import main
main(int(sys.argv[3]), int(sys.argv[4]), sys.argv[5], sys.argv[6].split(), sys.argv[7])
"""
_ENVIRONMENT = {
    "PYTHONHASHSEED": "0",
    "LC_ALL": "C.UTF-8",
    "TZ": "UTC",
    "MALLOC_ARENA_MAX": "1",
    "LD_BIND_NOW": "1",  # else each child looks up the functions it calls, and copies the pages that hold the answers
}


class Zygote:
    """A started zygote; `wait_until_ready` before it is given work."""

    def __init__(self, image: str, forgo: Sequence[str]) -> None:
        self.image = image
        self._folder = tempfile.mkdtemp(prefix="aval-replay-") if image == protocol.REPLAY else ""
        self.control, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        place, own_id = str(theirs.fileno()), str(os.getpid())
        arguments = [str(_FOLDER), str(_FOLDER.parent), place, own_id, image, " ".join(forgo), self._folder]
        with theirs:
            self.process = subprocess.Popen(
                [sys.executable, "-s", "-S", "-P", "-X", "utf8", "-c", _BOOT, *arguments],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
                pass_fds=[theirs.fileno()],
                env=_ENVIRONMENT,
                cwd="/",
            )
        self.layers: tuple[Layer, ...] = ()
        self.attacks: tuple[Attack, ...] = ()

    def wait_until_ready(self) -> None:
        """Raises SandboxUnavailable when it refuses, SandboxError when it can't start or a self-attack escaped."""
        self.control.settimeout(_START_SECONDS)
        try:
            message = self.control.recv(1 << 16)
        except TimeoutError:
            raise SandboxError(
                f"a zygote did not start within {_START_SECONDS:.0f} s: is the machine overloaded?"
            ) from None
        stderr = self.process.stderr
        assert stderr is not None
        if not message:
            last = stderr.read().decode(errors="replace").strip().rpartition("\n")[2]
            raise SandboxError(f"a zygote ended as it started: {last or 'it was killed'}")
        stderr.close()
        told = json.loads(message)
        if "refusal" in told:
            raise SandboxUnavailable(told["refusal"])
        self.layers = tuple(Layer(*layer) for layer in told["layers"])
        self.attacks = (*self._attack(protocol.FILE_ATTACKS), *self._attack(protocol.CALL_ATTACKS))
        escaped = [attack for attack in self.attacks if not attack.contained]
        if escaped:
            raise SandboxUnavailable(
                f"the {escaped[0].layer} layer does not hold: an attempt to {escaped[0].name} succeeded"
            )
        self.control.setblocking(False)

    def _attack(self, mode: int) -> list[Attack]:
        mine, theirs = socket.socketpair()
        with mine, theirs:
            job = protocol.JOB.pack(0, mode, 5.0, 30.0, 256 << 20, 0)
            socket.send_fds(self.control, [job], [theirs.fileno()])
            theirs.close()
            splitter = frames.Splitter(1 << 16)
            mine.settimeout(_START_SECONDS)
            while data := mine.recv(1 << 16):
                splitter.feed(data)
        self.control.recv(protocol.END.size)
        found = list(splitter.messages()) if splitter.confined else []
        if not found:
            raise SandboxError(f"the self-attacks did not come to an end: {splitter.failure()}")
        if mode == protocol.CALL_ATTACKS:
            layer = "seccomp"
        else:
            layer = next(one.name for one in self.layers if one.holds and one.name in ("landlock", "mount namespace"))
        return [Attack(name, contained, layer) for name, contained in found[0]]

    def close(self, *, kill: bool) -> None:
        """Hang up, upon which it ends; the kernel ends what it had started."""
        self.control.close()
        if self.process.stderr is not None:
            self.process.stderr.close()
        if kill:
            self.process.kill()
            self.process.wait()
            if self._folder:
                shutil.rmtree(self._folder, ignore_errors=True)
