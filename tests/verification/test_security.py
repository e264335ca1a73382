"""Security by structure: an attack must be seen to act in the sink, and its safe twin must not be accused."""

from __future__ import annotations

import pytest

from verification import verify
from verification.outcome import Outcome

P, R, K, V = Outcome.PROVED, Outcome.REFUTED, Outcome.UNKNOWN, Outcome.VACUOUS
SQL = "import sqlite3\n\ndef f(db: sqlite3.Connection, name: str) -> list:\n"

CASES: list[tuple[str, str, Outcome]] = [
    ("code-injection", "def f(s: str) -> int:\n    return eval(s)\n", R),
    ("code-injection", "def f(s: str) -> int:\n    exec('x = ' + s)\n    return 0\n", R),
    ("code-injection", "def f(s: str) -> str:\n    return eval(repr(s))\n", K),
    ("code-injection", "import ast\n\ndef f(s: str) -> int:\n    return ast.literal_eval(s)\n", P),
    ("code-injection", "def f(s: str) -> int:\n    return eval('1 + 1')\n", P),
    ("code-injection", "def f(s: str) -> int:\n    if not s.isdecimal():\n        return 0\n    return eval(s)\n", K),
    ("code-injection", "def f(s: str) -> int:\n    run = eval\n    return run(s)\n", K),
    ("code-injection", "def f(s: str) -> int:\n    return getattr(s, 'upper')()\n", K),
    ("code-injection", "def f(s: str) -> int:\n    return len(s)\n", V),
    ("command-injection", "import os\n\ndef f(p: str) -> int:\n    return os.system('ls ' + p)\n", R),
    ("command-injection", "import os\n\ndef f(p: str) -> int:\n    return os.system(f'ls \"{p}\"')\n", R),
    ("command-injection", "import subprocess as sp\n\ndef f(p: str):\n    return sp.run('ls ' + p, shell=True)\n", R),
    ("command-injection", "import os, shlex\n\ndef f(p: str) -> int:\n    return os.system('ls ' + shlex.quote(p))\n", K),
    ("command-injection", "import subprocess\n\ndef f(p: str):\n    return subprocess.run(['ls', p])\n", P),
    ("command-injection", "import os\n\ndef f(p: str) -> int:\n    command = 'ls'\n    return os.system(command)\n", P),
    ("command-injection", "import subprocess\n\ndef f(p: str):\n    parts = ['sh', '-c']\n    parts.append(p)\n    return subprocess.run(parts, shell=True)\n", K),
    ("sql-injection", SQL + "    return db.execute(\"SELECT * FROM t WHERE n = '\" + name + \"'\").fetchall()\n", R),
    ("sql-injection", SQL + "    return db.execute(f'SELECT * FROM t WHERE n = {name}').fetchall()\n", R),
    ("sql-injection", SQL + "    return db.execute('SELECT * FROM t WHERE n = %s' % name).fetchall()\n", R),
    ("sql-injection", SQL + "    query = 'SELECT * FROM t WHERE n = ?'\n    return db.execute(query, (name,)).fetchall()\n", P),
    ("sql-injection", SQL + "    safe = name.replace(\"'\", \"''\")\n    return db.execute(f\"SELECT * FROM t WHERE n = '{safe}'\").fetchall()\n", K),
    ("sql-injection", SQL + "    if name not in ('a', 'b'):\n        raise ValueError(name)\n    return db.execute('SELECT ' + name).fetchall()\n", K),
    ("sql-injection", "def f(cursor, n: int) -> None:\n    cursor.execute('DELETE FROM t WHERE id = ' + str(n))\n", K),
    ("deserialization", "import pickle\n\ndef f(data: bytes):\n    return pickle.loads(data)\n", R),
    ("deserialization", "import base64, pickle\n\ndef f(data: str):\n    return pickle.loads(base64.b64decode(data))\n", R),
    ("deserialization", "import yaml\n\ndef f(text: str):\n    return yaml.load(text, Loader=yaml.Loader)\n", R),
    ("deserialization", "import yaml\n\ndef f(text: str):\n    return yaml.load(text, Loader=yaml.SafeLoader)\n", P),
    ("deserialization", "import json\n\ndef f(text: str):\n    return json.loads(text)\n", P),
    ("weak-hash", "import hashlib\n\ndef f(s: str) -> str:\n    return hashlib.md5(s.encode()).hexdigest()\n", R),
    ("weak-hash", "import hashlib\n\ndef f(s: str) -> str:\n    return hashlib.new('sha1', s.encode()).hexdigest()\n", R),
    ("weak-hash", "import hashlib\n\ndef f(s: str) -> str:\n    return hashlib.md5(s.encode(), usedforsecurity=False).hexdigest()\n", P),
    ("weak-hash", "import hashlib\n\ndef f(s: str) -> str:\n    return hashlib.sha256(s.encode()).hexdigest()\n", P),
    ("insecure-random", "import random\n\ndef f(n: int) -> str:\n    return ''.join(random.choice('ab') for _ in range(n))\n", R),
    ("insecure-random", "from random import randint\n\ndef f(n: int) -> int:\n    return randint(0, n)\n", R),
    ("insecure-random", "import random\n\ndef f(n: int) -> int:\n    return random.SystemRandom().randint(0, n)\n", P),
    ("insecure-random", "import secrets\n\ndef f(n: int) -> str:\n    return secrets.token_hex(n)\n", P),
    ("insecure-temp-file", "import tempfile\n\ndef f(s: str) -> str:\n    return tempfile.mktemp()\n", R),
    ("insecure-temp-file", "import tempfile\n\ndef f(s: str) -> str:\n    return tempfile.mkstemp()[1]\n", P),
    ("insecure-temp-file", "def f(s: str) -> str:\n    return open('/tmp/' + s).read()\n", K),
    ("weak-hash", "import digests\n\ndef f(s: str) -> str:\n    return digests.run(s)\n", K),
    ("redos", "def f(s: str) -> str:\n    return s\n", Outcome.UNSUPPORTED),
]  # fmt: skip


@pytest.mark.parametrize(("slug", "source", "expected"), CASES)
def test_the_outcome_is_the_one_that_is_due(slug: str, source: str, expected: Outcome) -> None:
    (verdict,) = verify(source, entry="f", properties=[slug]).verdicts
    assert verdict.outcome is expected, verdict
    assert (verdict.counterexample is not None) == (expected is R)


def test_a_refutation_shows_the_attack_in_the_sink() -> None:
    (verdict,) = verify("def f(s: str) -> int:\n    return eval(s)\n", properties=["code-injection"]).verdicts
    assert verdict.counterexample is not None
    assert verdict.counterexample.observed.startswith("eval received")
    assert verdict.line == 2


def test_a_proof_states_what_it_assumes() -> None:
    (verdict,) = verify("def f(s: str) -> int:\n    return eval('1')\n", properties=["code-injection"]).verdicts
    assert "standard library" in verdict.assumptions[0]
