"""PPO in two workers of Ray Train: the adapters, losses, rewards and KL of one process with the same global batch."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from tests.training.test_ppo import updates
from tests.training.test_ppo_distributed import CLI, ROOT, assert_adapter_of_one_process, assert_same_run, command, ppo
from training.curriculum import Task

RAY = """
import json, sys
from functools import partial
from pathlib import Path
from tests.training.test_ppo_ray import logged
from training.launch import on_ray
folder = Path(sys.argv[1])
print(json.dumps(on_ray(partial(logged, folder), processes=2, storage=folder / "ray")))
"""


def logged(folder: Path) -> list[dict[str, float]]:
    return updates(ppo(folder))


def by_ray(code: str, *arguments: Path | str) -> str:
    """What the code prints in a process of its own, which ends with all that Ray started for it."""
    with tempfile.TemporaryDirectory(prefix="ray", ignore_cleanup_errors=True) as folder:
        driver = subprocess.Popen(
            [sys.executable, "-c", code, *map(str, arguments)],
            env={**os.environ, "PYTHONPATH": str(ROOT), "RAY_TMPDIR": folder},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        try:
            output, errors = driver.communicate(timeout=280)
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(driver.pid, signal.SIGKILL)
        assert driver.returncode == 0, errors
        return output


def test_two_workers_of_ray_have_the_adapters_and_losses_of_one_process(tmp_path: Path) -> None:
    found = json.loads(by_ray(RAY, tmp_path / "ray").splitlines()[-1])
    assert found == json.loads((tmp_path / "ray" / "updates-0.json").read_text())
    assert_same_run(tmp_path / "ray", ppo(tmp_path / "alone"), logged="updates-0.json")


@pytest.mark.slow
def test_the_command_with_ray_writes_one_run_and_has_the_adapter_of_one_process(
    micro_model: Path, splits: dict[str, list[Task]], tmp_path: Path
) -> None:
    options = command(micro_model, splits["train"], tmp_path)
    printed = by_ray(CLI, *options, "--launcher", "ray", "--processes", "2", "--out", str(tmp_path / "two"))
    attempt = tmp_path / "two" / "attempt-000001"
    assert json.loads(printed) == {"adapter": str(attempt / "final"), "model": str(attempt / "final-merged")}
    assert (attempt / "checkpoint-8" / "rng_state_1.pth").exists()
    assert_adapter_of_one_process(attempt / "final", options, tmp_path)
