"""How fast a million ratings leave, and how much memory that takes.

Run by hand: ``make bench NAME=export ARGS="--ratings 1000000"``. It starts a PostgreSQL of its own, fills it, and
exports each dataset and format in a process of its own. Seconds are CPU seconds of that process and of its backend in
the server. Memory is the most the process held from its first chunk on, above what it held just after that chunk: what
grows with the number of rows shows there.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import psycopg

from workers.home import Home
from workers.postgres import Postgres

PAIRS_A_PROMPT, RATINGS_A_PAIR, SAMPLES_A_PROMPT = 100, 2, 20
RUNS = (("preferences", "jsonl"), ("preferences", "parquet"), ("ratings", "jsonl"), ("ratings", "parquet"))
TARGET_ROWS, TARGET_MEGABYTES = 20_000, 50

FILL = """
    SET LOCAL session_replication_role = replica;
    INSERT INTO accounts_user (id, password, is_superuser, username, first_name, last_name, email, is_staff, is_active,
        date_joined, pseudonym, language, simulated)
    SELECT n, '', false, 'user' || n, '', '', '', false, true, now(), 'p-' || n, 'en', false
    FROM generate_series(1, 50) n;
    INSERT INTO catalog_project (id, slug, name, overlap, lease_minutes, blind, reveal, scales, gold_every,
        qualification, qualification_share, created_at)
    VALUES (1, 'bench', 'bench', 2, 30, true, 'never', '["correctness"]', 0, 0, 0.7, now());
    INSERT INTO catalog_modelversion (id, project_id, name, kind, path, sha256, created_at)
    SELECT n, 1, 'model-' || n, 'supervised', 'm', repeat('0', 64), now() FROM generate_series(1, 2) n;
    INSERT INTO catalog_prompt (id, project_id, sha256, text, signature, entry, language, family, split, task, created_at)
    SELECT n, 1, lpad(to_hex(n), 64, '0'), 'Return the sum of x and ' || n || repeat(', and say «why» at length', 10),
        'def add_' || n || '(x: int) -> int:', 'add_' || n, 'en', 'family-' || n %% 20, 'train', '{}', now()
    FROM generate_series(1, %(prompts)s) n;
    INSERT INTO catalog_sample (id, prompt_id, model_version_id, text, sha256, seed, decoding, finished, created_at,
        check_attempts, check_error, tokens)
    SELECT n, 1 + (n - 1) / %(samples)s, 1 + n %% 2,
        'def add(x: int) -> int:' || chr(10) || repeat('    total = x + ' || n || '  # "sum"' || chr(10), 22),
        lpad(to_hex(n), 64, '0'), 0, '{}', true, now(), 0, '', ''
    FROM generate_series(1, %(prompts)s * %(samples)s) n;
    INSERT INTO feedback_comparison (id, project_id, prompt_id, sample_a_id, sample_b_id, priority, is_gold, overlap,
        open_slots, created_at)
    SELECT (prompt - 1) * %(pairs)s + number, 1, prompt, (prompt - 1) * %(samples)s + one,
        (prompt - 1) * %(samples)s + two, 0, false, 2, 0, now()
    FROM generate_series(1, %(prompts)s) prompt, (
        SELECT one, two, row_number() OVER (ORDER BY one, two) AS number
        FROM generate_series(1, %(samples)s) one, generate_series(1, %(samples)s) two WHERE one < two
    ) pairs
    WHERE number <= %(pairs)s;
    INSERT INTO feedback_assignment (id, comparison_id, annotator_id, slot, state, swapped, leased_at, expires_at,
        draft, skip_reason, flag)
    SELECT n, 1 + (n - 1) / 2, 1 + n %% 50, n %% 2, 'submitted', n %% 3 = 0, now(), now(), '{}', '', ''
    FROM generate_series(1, %(ratings)s) n;
    INSERT INTO feedback_rating (id, assignment_id, comparison_id, annotator_id, submission, preference, unusable,
        scales_a, scales_b, rationale, edited_a, edited_b, guideline_version, seconds, surplus, simulated, created_at)
    SELECT n, n, 1 + (n - 1) / 2, 1 + n %% 50, gen_random_uuid(), (ARRAY[-3, -2, -1, 1, 2, 3])[1 + n %% 6], false,
        '{"correctness": 3, "security": 2}', '{"correctness": 5, "readability": 4}',
        'B handles the empty list, and A does not. ' || n, '', '', 1, 12.5 + n %% 90, false, false,
        now() - n * interval '1 second'
    FROM generate_series(1, %(ratings)s) n;
    ANALYZE;
"""


def fill(server: Postgres, ratings: int) -> None:
    """Real tables, with the triggers asleep; what the rows hold is checked by the constraints all the same."""
    prompts = ratings // (PAIRS_A_PROMPT * RATINGS_A_PAIR)
    sizes = {"prompts": prompts, "pairs": PAIRS_A_PROMPT, "samples": SAMPLES_A_PROMPT, "ratings": ratings}
    with psycopg.connect(server.url("aval_admin"), autocommit=True, cursor_factory=psycopg.ClientCursor) as connection:
        connection.execute(FILL, sizes)


def export(dataset: str, kind: str, out: Path) -> dict[str, Any]:
    """What the child measures of itself."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "webapp.settings")
    import django

    django.setup()
    from webapp.catalog.models import Project
    from webapp.feedback.export import Selection, Tally, open_connection, stream

    project, tally = Project.objects.get(), Tally()
    with open_connection() as connection, out.open("wb") as file:
        backend = connection.info.backend_pid
        started, cpu, served = time.monotonic(), time.process_time(), _cpu_seconds(backend)
        chunks = stream(connection, project, Selection(dataset=dataset), kind, tally)
        file.write(next(chunks))
        Path("/proc/self/clear_refs").write_text("5")  # the peak counts from here on
        before = _memory("VmRSS")
        for chunk in chunks:
            file.write(chunk)
        return {
            "rows": tally.rows,
            "bytes": tally.size,
            "seconds": time.monotonic() - started,
            "own": time.process_time() - cpu,
            "server": _cpu_seconds(backend) - served,
            "grown_mb": (_memory("VmHWM") - before) / 1024,
            "held_mb": before / 1024,
        }


def _cpu_seconds(process: int) -> float:
    fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    return sum(map(int, fields[11:13])) / os.sysconf("SC_CLK_TCK")


def _memory(name: str) -> int:
    """Kilobytes."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(f"{name}:"))


def _in_a_child(server: Postgres, dataset: str, kind: str, folder: Path) -> dict[str, Any]:
    command = [sys.executable, "-m", "tests.benchmarks.bench_export", "--child", dataset, kind]
    done = subprocess.run(
        [*command, str(folder / f"{dataset}.{kind}")],
        env={**os.environ, **server.environment()},
        stdout=subprocess.PIPE,
        check=True,
    )
    measured: dict[str, Any] = json.loads(done.stdout)
    measured["rows_per_second"] = measured["rows"] / measured["seconds"]
    measured["rows_per_cpu_second"] = measured["rows"] / (measured["own"] + measured["server"])
    return measured


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--ratings", type=int, default=1_000_000)
    parser.add_argument("--child", nargs=3, help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.child:
        dataset, kind, out = chosen.child
        print(json.dumps(export(dataset, kind, Path(out))))
        return
    with tempfile.TemporaryDirectory(prefix="aval-bench-") as folder:
        server = Postgres(Home(Path(folder)), settings={"fsync": "off"}, dies_with_parent=True)
        server.start()
        try:
            measured = _measured(server, chosen.ratings, Path(folder))
        finally:
            server.stop()
    print(json.dumps(measured))


def _measured(server: Postgres, ratings: int, folder: Path) -> dict[str, Any]:
    from workers.services import migrate

    started = time.monotonic()
    migrate({**os.environ, **server.environment(), "AVAL_HOME": str(folder)})
    fill(server, ratings)
    print(f"{ratings} ratings made in {time.monotonic() - started:.0f} s, load {os.getloadavg()[0]:.1f}", flush=True)
    found = {}
    for dataset, kind in RUNS:
        one = found[f"{dataset}, {kind}"] = _in_a_child(server, dataset, kind, folder)
        print(
            f"  {dataset:<12} {kind:<8} {one['rows']} rows, {one['bytes'] / 1e6:.0f} MB in {one['seconds']:.1f} s: "
            f"{one['rows_per_second']:.0f} rows/s, {one['rows_per_cpu_second']:.0f} rows a CPU second "
            f"({one['own']:.1f} s own, {one['server']:.1f} s the server's), {one['grown_mb']:.1f} MB more than the "
            f"{one['held_mb']:.0f} MB held at the first chunk",
            flush=True,
        )
    slowest = min(one["rows_per_second"] for one in found.values())
    print(f"load afterwards {os.getloadavg()[0]:.1f}; targets: {TARGET_ROWS} rows/s, {TARGET_MEGABYTES} MB")
    return {
        "name": "export",
        "ours": found,
        "peers": {},
        "ratios": {
            "rows/s over the target": slowest / TARGET_ROWS,
            "memory under the target": TARGET_MEGABYTES / max(0.1, *(one["grown_mb"] for one in found.values())),
        },
        "settings": {"ratings": ratings, "unit": "CPU seconds of the process and of its backend"},
    }


if __name__ == "__main__":
    main()
