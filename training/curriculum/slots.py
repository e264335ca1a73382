"""What varies between tasks of one family: names, numbers and words, and which of them training never sees.

A value belongs to the unseen part of its pool by a digest of its own text, so that the parts are
the same on every machine and do not move when a pool grows.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from functools import cache
from random import Random


def _split(words: str) -> tuple[str, ...]:
    return tuple(words.split())


INTS = _split(
    "a b c d e m n p q r u v w x y z i j k total count amount first second number value size step limit level "
    "score rank left right part base units price width height weight offset factor quota shift depth span "
    "age speed volume length balance points"
)
LISTS = _split(
    "xs ys zs values numbers items data scores nums elements rows entries samples readings marks prices counts "
    "sizes series batch buffer queue stack pile bucket digits ages times costs sales"
)
TEXTS = _split(
    "text s t word line name label title phrase content raw source token message query sentence author city "
    "comment note topic subject reply body header tag code answer input_text chars"
)
DICTS = _split(
    "table mapping record options settings registry stock config catalog index prices ages scores lookup "
    "inventory totals limits book store ranks votes rates stats"
)

_VERBS = _split(
    "get find make compute take pick run calc read build check solve fetch do derive give obtain eval_ handle "
    "process work_out select produce safe return_ load show use try_ form apply"
)
_NOUNS = _split(
    "value result item thing data entry field part piece number output answer step record unit block case figure "
    "point node cell mark slot frame input row line word text list size level score rate share cost price total "
    "index key name label token page chart order stock batch event path group member"
)

WORDS = _split(
    "users orders items clients books movies songs cities staff events tickets invoices products teams players "
    "courses devices sensors rooms flights guests hotels cars trains shops plants animals recipes drinks tools "
    "letters photos videos papers reports tasks goals games matches votes loans banks cards bills taxes forms"
)
"""Plain words for tables, files, fields and folders."""


def is_unseen(value: str) -> bool:
    """Whether training never sees this slot value (one in five)."""
    return hashlib.sha256(value.encode()).digest()[0] % 5 == 0


@cache
def part_of(pool: tuple[str, ...], *, unseen: bool) -> tuple[str, ...]:
    """The seen or the unseen part of a pool, in the pool's order."""
    return tuple(value for value in pool if is_unseen(value) == unseen)


def numbers(low: int, high: int) -> tuple[str, ...]:
    """The pool of the integers from low to high."""
    return tuple(str(number) for number in range(low, high + 1))


FALLBACKS = numbers(-20, 199) + numbers(-99, -21)
"""Answers where there is none of its own, as many as it takes to have to copy them. Where only a few are drawn, it is
the first ones."""


def draw(
    rng: Random,
    pools: Mapping[str, tuple[str, ...]],
    *,
    unseen: bool,
    limit: int = 0,
    taken: Iterable[str] = (),
    invented: float = 0.0,
) -> dict[str, str]:
    """One value a slot, of the first ``limit`` ones if given; slots that share a pool get different values.

    Where there is no limit, ``invented`` is the chance of a word that is in no pool, for slots that hold words (or
    paths that end in one).
    """
    chosen: dict[str, str] = {}
    used = set(taken)
    for slot, pool in pools.items():
        if not limit and _holds_words(pool) and rng.random() < invented:
            folder = pool[0][: pool[0].rfind("/") + 1]
            chosen[slot] = invent(rng, unseen=unseen, taken=used, folder=folder)
        else:
            free = [value for value in part_of(pool, unseen=unseen) if value not in used]
            chosen[slot] = rng.choice(free[: limit or None])
        used.add(chosen[slot])
    return chosen


def draw_entry(rng: Random, *, unseen: bool, limit: int = 0, invented: float = 0.0) -> str:
    """A function name that says little, so that it must be copied from the prompt."""
    verb = rng.choice(_VERBS[: limit or None]).rstrip("_")
    if not limit and rng.random() < invented:
        return f"{verb}_{invent(rng, unseen=unseen)}"
    return f"{verb}_{rng.choice(part_of(_NOUNS, unseen=unseen)[: limit or None])}"


def invent(rng: Random, *, unseen: bool, taken: Iterable[str] = (), folder: str = "") -> str:
    """A word that means nothing: syllables, or the start of one plain word and the end of another; in the folder.

    The latter makes the pieces of words that training never sees whole appear there all the same. No keyword, and no
    name of Python's own.
    """
    refused = {*taken, *_RESERVED}
    while True:
        word = _blend(rng) if rng.random() < _BLENDED else _syllables(rng)
        if folder + word not in refused and is_unseen(folder + word) == unseen:
            return folder + word


def _syllables(rng: Random) -> str:
    word = "".join(rng.choice(_ONSETS) + rng.choice(_VOWELS) for _ in range(rng.choice((2, 2, 3))))
    return word + rng.choice(_CODAS)


def _blend(rng: Random) -> str:
    first, second = rng.choice(_PLAIN), rng.choice(_PLAIN)
    return first[: rng.choice((2, 3, 4))] + second[-rng.choice((2, 3, 4)) :]


def _holds_words(pool: tuple[str, ...]) -> bool:
    return pool[0].rpartition("/")[2].isidentifier()


_BLENDED = 0.5
_PLAIN = tuple(
    word for word in sorted({*INTS, *LISTS, *TEXTS, *DICTS, *_NOUNS, *WORDS}) if len(word) > 3 and word.isalpha()
)
_ONSETS = _split("b c d f g h j k l m n p r s t v z br cr dr fl gr pl pr st tr ch sh")
_VOWELS = _split("a e i o u")
_CODAS = ("", "", "", "l", "m", "n", "r", "s", "t", "x")
# Of the words that can come about: Python's builtins and modules, SQL's keywords, names that templates use.
_RESERVED = frozenset(
    _split(
        "anext before begin case code compile date decimal delete dict else eval input iter like limit line "
        "list locale math natural numbers opcode open pipes posix print profile queue quit range readline "
        "reduce rename replace shutil site slice socket super time timeit token trace tuple vars with"
    )
)

SQL_KEYWORDS = frozenset(
    _split(
        "add all alter and as autoincrement between case check collate commit constraint create default "
        "deferrable delete distinct drop else escape except exists foreign from group having in index insert "
        "intersect into is isnull join limit not nothing notnull null on or order primary references "
        "returning select set table then to transaction union unique update using values when where"
    )
)
"""Those of SQLite that are not allowed as the name of a table."""
