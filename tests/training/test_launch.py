"""How a process ends that has trained in a group of several."""

from __future__ import annotations

import importlib
import os
import subprocess
import sys
from pathlib import Path

import pytest

from training import launch

ROOT = Path(__file__).parents[2]
MEMBER = """
import atexit, sys
import torch.distributed
from training import launch

class Global:
    def __del__(self):
        print("taken down")

kept = Global()
atexit.register(print, "at exit")
torch.distributed.init_process_group("gloo", init_method="file://" + sys.argv[1], rank=0, world_size=1)
group = torch.distributed.group.WORLD  # its threads live as long as this
print("at work")
launch.end(3)
print("not ended")
"""


def test_a_groups_member_ends_before_anything_is_taken_down(tmp_path: Path) -> None:
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-c", MEMBER, str(tmp_path / "store")]
    ended = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120)
    assert (ended.returncode, ended.stdout) == (3, "at work\nat exit\n"), ended.stderr


@pytest.mark.parametrize("loaded", [True, False])
def test_whoever_is_in_no_group_goes_on(loaded: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "_exit", lambda code: pytest.fail("ended"))
    if loaded:
        importlib.import_module("torch.distributed")
    else:
        monkeypatch.delitem(sys.modules, "torch.distributed", raising=False)
    launch.end(3)
