"""The standard library from memory: a tested program imports without a file system.

The zygote imports what generated code uses most, loads the extension modules (a confined process may map no code), and
keeps the compiled form of the other modules in a sealed, read-only mapping that a fork shares without copying.
"""

# ruff: noqa: SIM905 - tables of words
from __future__ import annotations

import contextlib
import ctypes
import fcntl
import importlib
import importlib.machinery
import importlib.util
import marshal
import mmap
import os
import sys
from collections.abc import Iterator, Sequence
from importlib.machinery import ModuleSpec
from types import CodeType, ModuleType

# The common imports of generated code, and what they pull in. More would make each fork dearer (page tables, copies).
COMMON = (
    "math re json itertools functools collections collections.abc heapq bisect string datetime decimal fractions "
    "statistics random hashlib os.path pathlib urllib.parse html typing dataclasses enum operator copy base64 csv "
    "io calendar textwrap ast pickle time unicodedata abc types numbers cmath struct contextlib array threading"
).split()
# Extension modules mapped beside those that COMMON pulls in; each costs a fork about 10 µs. Left out, and hence an
# ImportError: what has no use without files, devices, a terminal or a network (_ssl, readline, _curses, termios).
MAPPED = frozenset(
    "_asyncio _bz2 _contextvars _elementtree _lzma _posixsubprocess _queue _socket _sqlite3 _uuid _zoneinfo "
    "_multibytecodec fcntl mmap pyexpat select zlib".split()
)
_LEFT_OUT = frozenset(
    "site-packages dist-packages test tests idlelib tkinter turtledemo lib2to3 ensurepip distutils pydoc_data venv "
    "__pycache__ lib-dynload msilib _pyrepl".split()
)
_KEPT_ENCODINGS = frozenset(
    "__init__ aliases ascii latin_1 iso8859_1 iso8859_15 cp1252 cp437 utf_8 utf_8_sig utf_16 utf_16_le utf_16_be "
    "utf_32 utf_7 punycode idna raw_unicode_escape unicode_escape base64_codec hex_codec rot_13 zlib_codec "
    "quopri_codec charmap".split()
)


def load() -> None:
    """Import the common modules, map the extensions, then let every later import come from memory alone."""
    for name in COMMON:
        importlib.import_module(name)
    sys.modules["random"].seed(0)  # so that a program without a seed gets the same verdict every time
    extensions = dict(_extensions())
    for name, path in extensions.items():
        if name not in sys.modules:
            with contextlib.suppress(OSError):  # a library it needs is missing: importing it fails as it would outside
                ctypes.CDLL(path)
    with contextlib.suppress(OSError):
        ctypes.CDLL("libgcc_s.so.1")  # glibc looks for it when a thread is cancelled, and aborts without it
    sys.meta_path[:] = [
        importlib.machinery.BuiltinImporter,
        importlib.machinery.FrozenImporter,
        MemoryFinder(os.path.dirname(os.__file__), extensions),
    ]
    sys.path[:] = []
    sys.path_hooks[:] = []
    sys.path_importer_cache.clear()


class MemoryFinder:
    """Finds and loads modules whose compiled form was read, or whose library was mapped, beforehand."""

    def __init__(self, folder: str, extensions: dict[str, str]) -> None:
        self._extensions = extensions
        self._places: dict[str, tuple[int, int, bool]] = {}
        start = 0
        with _SealedStore() as store:
            for name, content, is_package in _modules(folder):
                store.append(content)
                self._places[name] = (start, start + len(content), is_package)
                start += len(content)
            self._store = store.mapped(start)

    def find_spec(
        self, fullname: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        place = self._places.get(fullname)
        if place is None:
            library = self._extensions.get(fullname)
            # The dynamic linker knows a mapped library by its path and opens no file.
            loader = importlib.machinery.ExtensionFileLoader(fullname, library) if library else None
            return ModuleSpec(fullname, loader, origin=library) if loader else None
        spec = ModuleSpec(fullname, self, origin="memory", is_package=place[2])  # type: ignore[arg-type]
        return spec

    def create_module(self, spec: ModuleSpec) -> None:
        return None

    def exec_module(self, module: ModuleType) -> None:
        exec(self.get_code(module.__name__), module.__dict__)  # noqa: S102 - the standard library's own code

    def get_code(self, name: str) -> CodeType:
        start, end, _ = self._places[name]
        code: CodeType = marshal.loads(self._store[start:end])  # noqa: S302 - compiled by this interpreter
        return code


def _extensions() -> Iterator[tuple[str, str]]:
    """(module, path of its library) of the interpreter's extension modules."""
    for folder in sys.path:
        if os.path.isdir(folder):
            for name in sorted(os.listdir(folder)):
                suffix = next((end for end in importlib.machinery.EXTENSION_SUFFIXES if name.endswith(end)), None)
                if suffix and name[: -len(suffix)] in MAPPED:
                    yield name[: -len(suffix)], os.path.join(folder, name)


def _modules(folder: str, package: str = "") -> Iterator[tuple[str, bytes, bool]]:
    """(name, marshalled code, is it a package) of all modules in Python that are not loaded yet."""
    with os.scandir(folder) as entries:
        found = list(entries)
    for entry in found:
        name, extension = os.path.splitext(entry.name)
        if extension == ".py" and not (package == "encodings." and name not in _KEPT_ENCODINGS):
            full = package[:-1] if name == "__init__" else package + name
            if full and full not in sys.modules and (code := _compiled(entry.path)) is not None:
                yield full, code, name == "__init__"
        elif extension == "" and name not in _LEFT_OUT and os.path.exists(os.path.join(entry.path, "__init__.py")):
            yield from _modules(entry.path, f"{package}{name}.")


def _compiled(path: str) -> bytes | None:
    """Marshalled code of a source file: its cached form, or compiled now where none was cached."""
    try:
        cached = importlib.util.cache_from_source(path)
        with open(cached, "rb", buffering=0) as file:
            content = file.read()
        if content[:4] == importlib.util.MAGIC_NUMBER:
            return content[16:]
    except OSError:
        pass
    try:
        with open(path, "rb") as file:
            return marshal.dumps(compile(file.read(), path, "exec", dont_inherit=True))
    except (OSError, SyntaxError, ValueError):
        return None


class _SealedStore:
    """Bytes in memory that nobody can write to once they are mapped, not even after a fork."""

    def __enter__(self) -> _SealedStore:
        self._descriptor = os.memfd_create("stdlib", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self._descriptor)

    def append(self, content: bytes) -> None:
        view = memoryview(content)
        while view:
            view = view[os.write(self._descriptor, view) :]

    def mapped(self, size: int) -> mmap.mmap:
        seals = fcntl.F_SEAL_WRITE | fcntl.F_SEAL_GROW | fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_SEAL
        fcntl.fcntl(self._descriptor, fcntl.F_ADD_SEALS, seals)
        return mmap.mmap(self._descriptor, size, flags=mmap.MAP_PRIVATE, prot=mmap.PROT_READ)
