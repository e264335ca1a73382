"""Credit for single lines: part of what a program's reward lacks goes to the line that is known to be at fault.

Such a line comes from the exception that failed a test, from a counterexample, or from annotators' comments. Credit
moves reward between a completion's tokens and never changes their sum, so the order of rewards stays what it was.

With R the reward of a completion, B the best that its task allows and L = B - R what it lacks, the lines' last
tokens get -``share`` L together, and the completion's last token R + ``share`` L instead of R.

Why the last token of a line, and not all of its tokens evenly: with gamma 1 a reward at token u counts lambda^(u - t)
in the advantage of each token t up to u, and nothing in those behind it. On the last of n tokens it reaches all of
the line, with lambda^(n - 1) to 1: 0.63 to 1 for ten tokens and lambda 0.95. Spread evenly, the tokens at the line's
end, where its operands are, would get 1/n each, for they earn no part that lies before them: 0.80 down to 0.10, and
together three fifths. Either way the lines that follow are cleared, and those before share a part that fades.

Not covered: a test's wrong value. Which return it came from would be known only of a program that is traced, and
tracing slows it down several times. Where no line is known, nothing moves.
"""

from __future__ import annotations

import math
import re
from bisect import bisect_right
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise, takewhile
from typing import Any, cast

from training.evidence import Rewards, VerifierReward, log, passes
from training.rewards import Ordered
from verification.outcome import Outcome
from verification.sandbox import Result

SOURCES: Mapping[str, float] = {"tests": 1.0, "verdicts": 1.0, "comments": 0.5}
"""How much each source's lines count beside the others'."""

_WINDOW = 16
"""Tokens that are decoded at once, so that the work grows with a completion's length and not with its square."""

_BREAK = re.compile(r"\r\n?|\n")
"""Where Python ends a line."""

Decode = Callable[[list[int]], str]


class LineCredit:
    """``Ordered``, with part of what a program lacks moved to its faulty lines, as far as those are known.

    Gives one number a token where a line is known, else the plain reward. Reads the columns that ``Ordered`` reads,
    and ``line_comments``: for each completion the texts of the lines on which annotators commented.
    """

    name = Ordered.name

    def __init__(self, ordered: Ordered, tokenizer: Any, *, share: float) -> None:
        if not 0.0 <= share <= 0.5:
            raise ValueError(f"the share of a loss that goes to lines must lie between 0 and 0.5, not {share}")
        self.ordered, self.tokenizer, self.share = ordered, tokenizer, share

    def __call__(
        self,
        prompts: Sequence[str],
        completions: Sequence[str],
        completion_ids: Sequence[Sequence[int]],
        **columns: Any,
    ) -> list[float | list[float] | None]:
        rewards = self.ordered(prompts, completions, completion_ids, **columns)
        results = self.ordered.tests.results(completions, **columns)
        finished = [bool(ids) and ids[-1] == self.tokenizer.eos_token_id for ids in completion_ids]
        passed = [ended and passes(result) for ended, result in zip(finished, results, strict=True)]
        blames = [blame(sources) for sources in self._sources(completions, results, passed, columns)]
        losses = self._losses(rewards, results, columns.get("properties") or [()] * len(rewards))
        rows = zip(rewards, losses, blames, completions, completion_ids, strict=True)
        found = [self._credited(*row) for row in rows]
        log(columns, "faulty_lines", [sorted(blamed) for blamed in blames])
        if (metric := columns.get("log_metric")) is not None and found:
            metric("credited", sum(isinstance(reward, list) for reward in found) / len(found))
        return found

    def _credited(
        self, reward: float | None, loss: float, blamed: Mapping[int, float], code: str, ids: Sequence[int]
    ) -> float | list[float] | None:
        amount = self.share * loss
        if reward is None or not blamed or amount <= 0.0:
            return reward
        last = self._last_tokens(code, ids)
        weights = {last[line]: weight for line, weight in blamed.items() if line in last}
        return redistributed(reward, amount, weights, len(ids)) if weights else reward

    def _last_tokens(self, code: str, ids: Sequence[int]) -> dict[int, int]:
        """The last token of each line; of none where the tokens are not those of the code."""
        ends = token_ends(ids, self._decode)
        return last_tokens(code, ends) if self._decode(list(ids)) == code else {}

    def _decode(self, ids: list[int]) -> str:
        return str(self.tokenizer.decode(ids, skip_special_tokens=True))

    def _losses(
        self, rewards: Rewards, results: Sequence[Result], properties: Sequence[Sequence[str] | None]
    ) -> list[float]:
        """What each reward lacks to the best that its task allows; 0 where that is no number."""
        rows = zip(rewards, results, properties, strict=True)
        losses = [0.0 if reward is None else self._best(result, slugs or ()) - reward for reward, result, slugs in rows]
        return [loss if math.isfinite(loss) else 0.0 for loss in losses]

    def _best(self, result: Result, properties: Sequence[str]) -> float:
        total = max(result.total, 1)
        verdict = 1.0 if properties and self.ordered.verifier else None
        rating = 1.0 if self.ordered.learned else None
        best = Result("passed", passed=total, total=total)
        return math.fsum(self.ordered.parts(best, verdict, rating, properties=len(properties)))

    def _sources(
        self, completions: Sequence[str], results: Sequence[Result], passed: Sequence[bool], columns: Mapping[str, Any]
    ) -> list[dict[str, list[int]]]:
        """The lines that each source names, a completion."""
        verdicts = self._verdicts(completions, passed, columns)
        comments = columns.get("line_comments") or [()] * len(completions)
        return [
            {
                "tests": [] if result.line is None else [result.line],
                "verdicts": refuted,
                "comments": commented(code, texts or ()),
            }
            for code, result, refuted, texts in zip(completions, results, verdicts, comments, strict=True)
        ]

    def _verdicts(
        self, completions: Sequence[str], passed: Sequence[bool], columns: Mapping[str, Any]
    ) -> list[list[int]]:
        """The lines of what is refuted in the programs that pass; the others have no verdicts."""
        found: list[list[int]] = [[] for _ in completions]
        rows = [row for row, ok in enumerate(passed) if ok]
        if self.ordered.verifier is None or not rows:
            return found
        names = ("entry", "properties", "contract", "signature")
        chosen = {name: [columns[name][row] for row in rows] for name in names if columns.get(name) is not None}
        verifier = cast(VerifierReward, self.ordered.verifier.reward)
        for row, report in zip(rows, verifier.reports([completions[row] for row in rows], **chosen), strict=True):
            refuted = [verdict for verdict in report.verdicts if verdict.outcome is Outcome.REFUTED] if report else []
            found[row] = [verdict.line for verdict in refuted if verdict.line is not None]
        return found

    def close(self) -> None:
        """End the sandbox's processes."""
        self.ordered.close()

    def state_dict(self) -> dict[str, Any]:
        return self.ordered.state_dict()

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        self.ordered.load_state_dict(state)


def blame(sources: Mapping[str, Sequence[int]]) -> dict[int, float]:
    """Each named line's weight; of one source all lines count alike. Nothing where no source names any."""
    weights: dict[int, float] = defaultdict(float)
    for source, lines in sources.items():
        for line in lines:
            weights[line] += SOURCES[source] / len(lines)
    return dict(weights)


def redistributed(reward: float, amount: float, weights: Mapping[int, float], length: int) -> list[float]:
    """A reward as one number a token: ``amount`` is taken at the tokens named, by weight, and given to the last."""
    tokens = [0.0] * length
    whole = math.fsum(weights.values())
    for token, weight in weights.items():
        tokens[token] -= amount * weight / whole
    tokens[-1] += reward + amount
    return tokens


def commented(code: str, texts: Sequence[str]) -> list[int]:
    """The lines, from 1, whose text is one of these, up to the spaces around it."""
    wanted = {text.strip() for text in texts} - {""}
    return [number for number, line in enumerate(_BREAK.split(code), start=1) if line.strip() in wanted]


def line_text(code: str, line: int) -> str:
    """One line, from 1, without the spaces around it; empty where there is none."""
    lines = _BREAK.split(code)
    return lines[line - 1].strip() if 0 < line <= len(lines) else ""


# -- from lines to tokens


def token_ends(ids: Sequence[int], decode: Decode) -> list[int]:
    """Where in the whole decoded text each token's own text ends.

    A character that is cut into several tokens belongs to the one that completes it; the others, like special tokens
    that are left out of the text, have none.
    """
    ids = list(ids)
    whole = decode(ids)
    ends = _ends(ids, decode, whole, window=_WINDOW)
    # Not every tokenizer decodes a part as it does within the whole: then the whole is decoded for every token.
    return ends if not ids or ends[-1] == len(whole) else _ends(ids, decode, whole, window=len(ids))


def _ends(ids: list[int], decode: Decode, whole: str, *, window: int) -> list[int]:
    ends: list[int] = []
    first = start = 0
    """The window's first token, and where its text starts."""
    for after in range(1, len(ids) + 1):
        text = decode(ids[first:after])
        end = start + _shared(text, whole, start)
        ends.append(max(end, ends[-1] if ends else 0))
        if after - first >= window and end == start + len(text) and not text.endswith("\ufffd"):
            first, start = after, end
    return ends


def _shared(text: str, whole: str, start: int) -> int:
    """How much of the text stands in the whole from there on."""
    if whole.startswith(text, start):
        return len(text)
    pairs = zip(text, whole[start : start + len(text)], strict=False)
    return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], pairs))


def token_lines(text: str, ends: Sequence[int]) -> list[int]:
    """The line, from 1, that each token is part of: the one with most of its characters, the later of equals.

    A line's break is part of it. A token without characters is part of the line in which it stands.
    """
    starts = _starts(text)
    return [_line(starts, start, end) for start, end in pairwise((0, *ends))]


def last_tokens(text: str, ends: Sequence[int]) -> dict[int, int]:
    """By line the last of its tokens with anything to see; a line of none is left out."""
    spans = enumerate(zip(pairwise((0, *ends)), token_lines(text, ends), strict=True))
    return {line: token for token, ((start, end), line) in spans if text[start:end].strip()}


def _starts(text: str) -> list[int]:
    return [0, *(found.end() for found in _BREAK.finditer(text))]


def _line(starts: Sequence[int], start: int, end: int) -> int:
    first, last = bisect_right(starts, start), bisect_right(starts, max(start, end - 1))
    bounds = (start, *starts[first:last], end)
    sizes = [after - before for before, after in pairwise(bounds)]
    return last - sizes[::-1].index(max(sizes))
