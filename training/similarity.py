"""How near an answer's text is to the known solutions: the source article's measures, reported beside the tests.

Neither says whether a program is right: two correct solutions of one task often share few words.
"""

from __future__ import annotations

import ast
import math
import re
import warnings
from collections import Counter
from collections.abc import Iterable, Sequence

_TOKENS = re.compile(r"\w+|[^\w\s]+|\n *")
_LONGEST = 4
"""The longest n-gram of BLEU."""


def same_program(code: str, references: Iterable[str]) -> bool:
    """Whether the code is one of the references, up to layout, comments, quotes and parentheses."""
    found = _normal(code)
    return found is not None and any(found == _normal(reference) for reference in references)


def bleu(code: str, references: Sequence[str]) -> float:
    """BLEU of one answer against several references, from 0 to 1 (Papineni et al. 2002).

    N-grams of up to four tokens, each counted at most as often as in one reference; the brevity penalty is against the
    reference of the nearest length. Longer n-grams are smoothed by one, for answers are short (Lin and Och 2004).
    """
    candidate, others = _TOKENS.findall(code), [_TOKENS.findall(reference) for reference in references]
    if not candidate or not others:
        return 0.0
    total = 0.0
    for size in range(1, _LONGEST + 1):
        found, most = _ngrams(candidate, size), Counter[tuple[str, ...]]()
        for other in others:
            most |= _ngrams(other, size)
        matched, possible = (found & most).total(), found.total()
        smoothing = 0 if size == 1 else 1
        if matched + smoothing == 0:
            return 0.0
        total += math.log((matched + smoothing) / (possible + smoothing))
    nearest = min((abs(len(other) - len(candidate)), len(other)) for other in others)[1]
    penalty = min(0.0, 1 - nearest / len(candidate))
    return math.exp(penalty + total / _LONGEST)


def _ngrams(tokens: Sequence[str], size: int) -> Counter[tuple[str, ...]]:
    return Counter(tuple(tokens[start : start + size]) for start in range(len(tokens) - size + 1))


def parsed(code: str) -> ast.Module | None:
    """The program's tree, None for what is no Python. What Python warns of is common in generated code and not told."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return ast.parse(code)
        except (SyntaxError, ValueError, RecursionError, MemoryError):
            return None


def _normal(code: str) -> str | None:
    tree = parsed(code)
    try:
        return None if tree is None else ast.dump(tree)
    except RecursionError:
        return None
