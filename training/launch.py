"""Where a stage runs: in this process, in several that ``torchrun`` started, or in several that Ray Train starts.

A stage is told nothing of it: each process finds its rank in the environment. ``accelerate launch`` works like
``torchrun``. Not covered: a Ray worker that dies is not started anew. Give the same command again, and the run goes on
from its newest checkpoint.
"""

from __future__ import annotations

import atexit
import contextlib
import logging
import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar

T = TypeVar("T")

_ENVIRONMENT = {
    "RAY_USAGE_STATS_ENABLED": "0",  # it reports to nobody that it runs
    "RAY_TRAIN_WORKER_GROUP_START_TIMEOUT_S": "600",  # a busy machine takes its time to load torch
}
"""What Ray reads when it starts, where the user says nothing else."""


class LaunchError(ValueError):
    """The processes can't be started as asked; the message says what to change."""


def is_main() -> bool:
    """Whether this process is the one that speaks and writes for all that train together."""
    return int(os.environ.get("RANK") or 0) == 0


def agreed(value: T) -> T:
    """The main process's value, in every process that trains; all must call this."""
    from training.reporting import processes

    if processes() == 1:
        return value
    # Loaded here: a command that trains nothing, or in one process, asks as well.
    import torch
    from accelerate import PartialState
    from accelerate.utils import broadcast_object_list

    PartialState(cpu=not torch.cuda.is_available())  # as the trainer will: whoever is first joins the group
    return broadcast_object_list([value])[0]


def end(code: int) -> None:
    """End this process with the code, if it has trained in a group of several; else do nothing.

    Python's own end is not safe for a group's member: threads of the group outlive it wherever something still refers
    to it (FSDP always does), and one that drops its last tensor while the interpreter is taken down aborts the process.
    The launcher would take a good run for a failed one. So what is registered to be done at exit is done, and then
    nothing is taken down.
    """
    distributed = sys.modules.get("torch.distributed")  # whoever has joined a group has loaded it
    if distributed is None or not distributed.is_available() or not distributed.is_initialized():
        return
    distributed.destroy_process_group()
    atexit._run_exitfuncs()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


def on_ray(function: Callable[[], T], *, processes: int, storage: Path) -> T:
    """Run the function in every one of so many Ray workers; what it returns in the first of them.

    The function must be picklable and its paths reach every node. Where ``RAY_ADDRESS`` names a cluster, that is
    joined; else Ray is started on this machine, and ended again in any case. Each worker gets a GPU where there are
    enough for all. ``storage`` is for Ray's own notes on the run.
    """
    ray, train, torch_trainer = _ray()
    with _running(ray, processes) as cores:
        trainer = torch_trainer(
            function,
            scaling_config=train.ScalingConfig(
                num_workers=processes,
                use_gpu=ray.cluster_resources().get("GPU", 0) >= processes,
                resources_per_worker={"CPU": cores},
            ),
            run_config=train.RunConfig(
                storage_path=str(storage.resolve()), logging_config=train.LoggingConfig(log_level="ERROR")
            ),
        )
        try:
            return trainer.fit().return_value
        except train.TrainingFailedError as error:
            raise _cause(error) from error


def _ray() -> tuple[Any, Any, Any]:
    for name, value in _ENVIRONMENT.items():
        os.environ.setdefault(name, value)
    try:
        import ray
        from ray import train
        from ray.train.torch import TorchTrainer
    except ImportError:
        raise LaunchError(
            "Ray is not installed: pip install 'aval[ray]', or start the processes with torchrun"
        ) from None
    return ray, train, TorchTrainer


@contextlib.contextmanager
def _running(ray: Any, processes: int) -> Iterator[int]:
    """Ray, ended behind the block; yields the CPU cores of a worker, which is also its number of threads."""
    cores = 1
    # Ray's cleaner warns every second where its dashboard, which is not installed, does not answer.
    options: dict[str, Any] = {"logging_level": logging.ERROR, "logging_config": ray.LoggingConfig(log_level="ERROR")}
    if not os.environ.get("RAY_ADDRESS"):
        os.environ.setdefault("RAY_TRAIN_ENABLE_PREEMPTION_WATCHER", "0")  # nobody takes one's own machine away
        cores = max(1, (os.cpu_count() or 1) // processes)
        options |= {"num_cpus": cores * processes, "include_dashboard": False, "object_store_memory": 100 * 2**20}
    try:
        ray.init(**options)
        yield cores
    finally:
        ray.shutdown()


def _cause(error: Exception) -> Exception:
    """What went wrong in the first worker that failed, where Ray tells it."""
    failures: dict[int, Exception] = getattr(error, "worker_failures", {})
    return next((failures[rank] for rank in sorted(failures)), error)
