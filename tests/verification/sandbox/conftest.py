from collections.abc import Iterator

import pytest

from verification.sandbox import Job, Limits, Pool
from verification.sandbox.protocol import FULL, LEAN

QUICK = Limits(cpu_seconds=0.3, wall_seconds=10.0, memory_mb=128, message_bytes=1 << 20)


@pytest.fixture(scope="session")
def pool() -> Iterator[Pool]:
    with Pool(2, limits=QUICK) as opened:
        yield opened


@pytest.fixture(params=[LEAN, FULL])
def image(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Every job goes to this image of the interpreter, whatever it seems to need."""
    monkeypatch.setattr(Job, "image", lambda _: request.param)
    found: str = request.param
    return found
