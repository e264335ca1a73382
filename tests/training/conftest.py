"""What the tests of training share: one thread, no hub, some tasks, a tokenizer and a very small saved model."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["HF_HUB_DISABLE_TELEMETRY"] = "1"
os.environ["TOKENIZERS_PARALLELISM"] = "false"
os.environ["OMP_NUM_THREADS"] = "1"

from training.config import ModelSettings, TaskSettings
from training.curriculum import Task, build


@pytest.fixture(scope="session", autouse=True)
def _one_thread() -> None:
    # Where another test has loaded torch already, the environment comes too late.
    if torch := sys.modules.get("torch"):
        torch.set_num_threads(1)


@pytest.fixture(scope="session")
def splits() -> dict[str, list[Task]]:
    """A few tasks of every split."""
    return build(TaskSettings(train=96, held_out=32, seed=7))


@pytest.fixture(scope="session")
def micro_tokenizer(splits: dict[str, list[Task]]):
    from training.data.tokenizer import tokenizer_for

    return tokenizer_for(splits["train"], vocab_size=600)


@pytest.fixture(scope="session")
def micro_model(splits: dict[str, list[Task]], micro_tokenizer, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of an untrained aval-micro and its tokenizer."""
    from training.models import build_model

    folder = tmp_path_factory.mktemp("micro-model")
    build_model(ModelSettings(preset="aval-micro"), micro_tokenizer).save_pretrained(str(folder))
    micro_tokenizer.save_pretrained(str(folder))
    return folder
