"""Two processes over gloo train as one does with the same global batch."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from tests.training.test_ppo_distributed import two_processes
from tests.training.test_sft import MODEL, SETTINGS, Recorder
from training.config import TaskSettings
from training.curriculum import build, write_jsonl
from training.models import load
from training.reporting import DistributionError, trl_arguments
from training.sft import SFTError, train

_WORKER = """
import json, sys
from pathlib import Path
from tests.training.test_sft import MODEL, SETTINGS, Recorder
from training.curriculum import read_jsonl
from training.sft import train

tasks, run, out = map(Path, sys.argv[1:])
watcher = Recorder()
train(read_jsonl(tasks), [], model=MODEL, settings=SETTINGS, run_folder=run, fence=1, watcher=watcher)
if watcher.losses:
    out.write_text(json.dumps(watcher.losses))
"""


def test_two_processes_over_gloo_have_the_losses_of_one(tmp_path: Path) -> None:
    # 43 examples twice: the last batch is not full, and left out.
    tasks = build(TaskSettings(train=43, held_out=8, families=("clamp", "lookup")))["train"]
    write_jsonl(tmp_path / "tasks.jsonl", tasks)
    alone = Recorder()
    one = train(tasks, [], model=MODEL, settings=SETTINGS, run_folder=tmp_path / "one", fence=1, watcher=alone)

    two_processes(_WORKER, *(tmp_path / name for name in ("tasks.jsonl", "two", "losses.json")))
    losses = {int(step): loss for step, loss in json.loads((tmp_path / "losses.json").read_text()).items()}
    assert list(losses) == list(range(1, 11))
    assert losses == pytest.approx(alone.losses, abs=1e-4)
    theirs, ours = load(one)[0].state_dict(), load(tmp_path / "two" / "attempt-000001" / "final")[0].state_dict()
    for name, weight in theirs.items():
        torch.testing.assert_close(ours[name], weight, atol=1e-3, rtol=1e-3)


def test_what_several_processes_can_not_share_is_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("WORLD_SIZE", "3")
    with pytest.raises(DistributionError, match="batch_size is 8: must be a multiple of the 3 processes"):
        trl_arguments(SETTINGS, tmp_path)
    tasks = build(TaskSettings(train=4, held_out=2, families=("clamp",)))["train"]
    limited = replace(SETTINGS, max_cpu_seconds=5.0)
    with pytest.raises(SFTError, match="max_cpu_seconds counts one process"):
        train(tasks, [], model=MODEL, settings=limited, run_folder=tmp_path, fence=1, watcher=Recorder())
