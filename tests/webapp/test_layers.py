"""What the web application loads: neither torch nor z3, in a process of its own."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]

LOAD_EVERYTHING = """
import importlib, pkgutil, sys
import os
os.environ["DJANGO_SETTINGS_MODULE"] = "webapp.settings"
import django
django.setup()
import webapp
names = [m.name for m in pkgutil.walk_packages(webapp.__path__, "webapp.") if not m.name.endswith("__main__")]
for name in names:
    importlib.import_module(name)
from django.urls import get_resolver
get_resolver().url_patterns
heavy = {"torch", "transformers", "trl", "peft", "z3", "cvc5", "workers"}
print(len(names), sorted(heavy & set(sys.modules)))
"""


def test_the_whole_web_application_loads_neither_torch_nor_z3() -> None:
    done = subprocess.run(
        [sys.executable, "-c", LOAD_EVERYTHING], cwd=ROOT, capture_output=True, text=True, check=False, timeout=120
    )
    assert done.returncode == 0, done.stderr
    count, loaded = done.stdout.split(" ", 1)
    assert int(count) > 50
    assert loaded.strip() == "[]"
