from collections.abc import Iterator

import pytest

from verification.sandbox import Limits, Pool

QUICK = Limits(cpu_seconds=0.3, wall_seconds=10.0, memory_mb=128, message_bytes=1 << 20)


@pytest.fixture(scope="session")
def pool() -> Iterator[Pool]:
    with Pool(2, limits=QUICK) as opened:
        yield opened
