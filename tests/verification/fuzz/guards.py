"""Operations under guards: the guard right, slightly wrong, or made void between the test and the use.

Each hazard is a use that may fail, with tests of which some rule the failure out and some only seem to, and with
changes of which some make a right test void and some only seem to. An unsound prover is found where it believes one.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from tests.verification.fuzz.expressions import constant, expression
from tests.verification.fuzz.statements import statement, writes
from tests.verification.fuzz.types import BOOL, FLOAT, INT, INTS, PARAMETER_TYPES, STR, Type
from tests.verification.fuzz.writer import Block, Writer, indented


@dataclass(frozen=True)
class Hazard:
    """Texts over ``{v}`` the guarded name, ``{i}`` an int or key, ``{e}`` an element, ``{w}`` a name of the same type."""

    tests: tuple[str, ...]
    uses: tuple[str, ...]
    changes: tuple[str, ...]


LISTS = Hazard(
    tests=(
        *("{v}", "{v}", "len({v}) > 0", "len({v}) >= 1", "len({v}) >= 2", "len({v}) != 0", "{i} < len({v})"),
        *("0 <= {i} < len({v})", "0 <= {i} <= len({v})", "-len({v}) <= {i} < len({v})", "{e} in {v}", "{v} != []"),
        *("not {v} == []", "len({v}) == len({w})", "len({w}) > 0 and len({w}) <= len({v})", "{i} in range(len({v}))"),
        *("len({v}) > {i} and {i} >= 0", "bool({v}) and {i} == 0", "any(True for _ in {v})", "len(set({v})) > 0"),
        *("{v} or {i} > 0", "{v} is not None", "len({v}) > 1 or {i} == 0", "sum(1 for _ in {v}) > 0", "{v}[:1]"),
    ),
    uses=(
        *("{v}[0]", "{v}[-1]", "{v}[{i}]", "{v}[{i} - 1]", "{v}[1]", "{v}[len({v}) - 1]", "{v}[len({v}) // 2]"),
        *("{v}.pop()", "{v}.pop(0)", "{v}.pop({i})", "max({v})", "min({v})", "{i} // len({v})", "{i} % len({v})"),
        *("{v}[{i} % len({v})]", "{v}.index({e})", "{v}.remove({e})", "sum(1 for _ in {v}) // len({v})", "{v}[-2]"),
        *("{v}[-{i}]", "{v}[{i} // 2]", "next(iter({v}))", "{v}[:][0]", "{v}[::-1][0]", "sorted({v})[0]", "{w}[{i}]"),
        *("list({v})[0]", "{v}[1:][0]", "[*{v}][0]", "tuple({v})[-1]", "{v}[{i}:][0]", "({v} + {w})[0]", "{w}[-1]"),
    ),
    changes=(
        *(
            "{v}.pop()",
            "{v}.clear()",
            "{v} = {v}[1:]",
            "del {v}[0]",
            "del {v}[:]",
            "{i} += 1",
            "{i} -= 1",
            "{i} = -{i}",
        ),
        *("{v}[:] = []", "{v} = {w}", "{v} = [y for y in {v} if y != {e}]", "{v}.append({e})", "{v}.sort()"),
        *(
            "{v}.reverse()",
            "other = {v}; other.clear()",
            "other = list({v}); other.clear()",
            "other = {v}[:]; other.pop()",
        ),
        *("other = {v} + []; other.clear()", "box = [{v}]; box[0].clear()", "box = {{'k': {v}}}; box['k'].pop()"),
        *("for row in [{v}, {w}]: row.clear()", "{v}.insert(0, {e})", "shrink({v})", "shrink(list({v}))", "grow({v})"),
        *(
            "{v}.extend({w})",
            "{v} += {w}",
            "{v} = {v} or {w}",
            "{w}.clear()",
            "{w} = {v}",
            "{v} *= 0",
            "{v} = sorted({v})",
        ),
        *(
            "while {v}: {v}.pop()",
            "for _ in range({i}): {v}.pop()",
            "{v}, {w} = {w}, {v}",
            "len({v})",
            "{v}.remove({v}[0])",
        ),
        *("[{v}.pop() for _ in range(1)]", "(lambda z: z.clear())({v})", "list(map(lambda z: {v}.pop(), [0]))"),
        *("{v} = list(filter(None, {v}))", "{v} = [{v} for _ in range(0)]", "pair = ({v}, {i}); pair[0].clear()"),
    ),
)

DICTS = Hazard(
    tests=(
        *("{i} in {v}", "{i} in {v}", "{i} in {v}.keys()", "{v}.get({i}) is not None", "{v}.get({i})", "{v}"),
        *("len({v}) > 0", "{i} not in {v}", "{i} in list({v})", "{i} in {v} or {v}", "{i} in {w}", "{v} == {w}"),
        *(
            "any(k == {i} for k in {v})",
            "{i} in {v} and {i} in {w}",
            "{i} in {{**{v}}}",
            "{i} in set({v})",
            "{i} in {v}.values()",
        ),
    ),
    uses=(
        *(
            "{v}[{i}]",
            "{v}[{i}]",
            "{v}[{i}]",
            "{v}.pop({i})",
            "next(iter({v}))",
            "{v}.popitem()",
            "max({v})",
            "{w}[{i}]",
        ),
        *("list({v})[0]", "list({v}.values())[0]", "min({v}, key=lambda k: k)", "{i2} // len({v})", "sorted({v})[-1]"),
        *(
            "dict({v})[{i}]",
            "{{**{v}}}[{i}]",
            "[{v}[k] for k in [{i}]]",
            "max({v}.items())",
            "{v}.copy()[{i}]",
            "[*{v}][-1]",
        ),
    ),
    changes=(
        *("{v}.pop({i})", "{v}.pop({i}, None)", "del {v}[{i}]", "{v}.clear()", "{v} = {{}}", "{i} = {e}", "{i} += {i}"),
        *(
            "{v}[{i}] = {e2}",
            "{v}.setdefault({i}, {e2})",
            "other = {v}; other.clear()",
            "other = dict({v}); other.clear()",
        ),
        *(
            "other = {v}; other.pop({i}, None)",
            "forget({v}, {i})",
            "forget(dict({v}), {i})",
            "{v} = {w}",
            "{w}.clear()",
        ),
        *("{v} = {{k: x for k, x in {v}.items() if k != {i}}}", "{v}.popitem()", "box = [{v}]; box[0].clear()"),
        *("for k in list({v}): del {v}[k]", "for {i} in {v}: pass", "{v}.update({w})", "{v} |= {w}", "{v}[{e}] = {e2}"),
        *(
            "{w} = {v}; {w}.pop({i}, 0)",
            "(lambda z: z.clear())({v})",
            "[{v}.pop(k) for k in list({v})]",
            "{v}.get({i})",
        ),
    ),
)

NUMBERS = Hazard(
    tests=(
        *(
            "{v}",
            "{v} != 0",
            "{v} > 0",
            "{v} >= 0",
            "{v} < 0",
            "{v} >= 1",
            "{v} > 1",
            "not {v} == 0",
            "{v} != 0 and {i} != 0",
        ),
        *(
            "{v} or {i}",
            "{v} > {i}",
            "abs({v}) > 0",
            "{v} * {v} > 0",
            "{v} % 2 == 1",
            "{v} != 1",
            "{v} > {i} >= 0",
            "0 < {v} < 10",
        ),
        *(
            "{v} is not None",
            "isinstance({v}, int)",
            "{v} == {i} and {i}",
            "{v} not in (0, 1)",
            "bool({v})",
            "{i} < {v}",
        ),
        *(
            "{v} // 2 > 0",
            "{v} - 1",
            "{v} ** 2 != 0",
            "{v} & 1",
            "max({v}, {i}) > 0",
            "min({v}, {i}) > 0",
            "{v} % {w} if {w} else 0",
        ),
    ),
    uses=(
        *("{i} // {v}", "{i} % {v}", "{i} / {v}", "divmod({i}, {v})", "list(range(0, 9, {v}))", "pow({i}, 2, {v})"),
        *(
            "{i} // ({v} - 1)",
            "{i} // ({v} + 1)",
            "{i} // abs({v})",
            "{i} // ({v} * {v})",
            "1 << {v}",
            "[1, 2, 3][{v} % 3]",
        ),
        *("{i} // ({v} // 2)", "{i} // ({v} * 2)", "{i} // -{v}", "[0] * {v}", "([0] * {v})[0]", "list(range({v}))[0]"),
        *(
            "list(range({v}))[{v} - 1]",
            "chr({v})",
            "math.sqrt({v})",
            "math.factorial({v})",
            "math.isqrt({v})",
            "math.log({v})",
        ),
        *(
            "{i} // ({v} & 1)",
            "{i} // max({v}, 1)",
            "{i} // min({v}, 1)",
            "{i} // ({v} | 1)",
            "'abc'[{v}]",
            "0 ** {v}",
            "{i} // {w}",
        ),
        *(
            "{i} // ({v} - {i})",
            "{i} % ({v} % 3)",
            "sum(range({v})) // {v}",
            "[i // {v} for i in range(3)]",
            "2.0 ** -{v}",
            "{i} >> {v}",
        ),
    ),
    changes=(
        *(
            "{v} -= 1",
            "{v} += 1",
            "{v} = 0",
            "{v} //= 2",
            "{v} = -{v}",
            "{v} *= 2",
            "{v} = {i}",
            "{v} = {v} * {i}",
            "{v} %= 3",
        ),
        *(
            "for {v} in range(3): pass",
            "for {v} in range({i}): pass",
            "[{v} := y for y in (2, 1, 0)]",
            "{v}, {w} = {w}, {v}",
        ),
        *(
            "{v} = abs({v})",
            "{v} = max({v}, 1)",
            "{v} = min({v}, 0)",
            "{v} = halve({v})",
            "halve({v})",
            "{v} = {w}",
            "{w} = 0",
        ),
        *(
            "{v} = {v} - {v} % 2",
            "{v} = int({v} / 2)",
            "{v} = {v} or 1",
            "{v} = {v} and 0",
            "{v} <<= 1",
            "{v} >>= 1",
            "{v} ^= 1",
        ),
        *(
            "{v} = len(str({v}))",
            "{v} = None",
            "{v} = {i} if {i} else {v}",
            "{i} = {v}",
            "{v} = -abs({v})",
            "{v} = round({v} / 2)",
        ),
        *(
            "{v}: int = {v} - 1",
            "while {v} > 3: {v} -= 2",
            "while {v} > 0: {v} -= 1",
            "({v}, *_) = [{i}, 1]",
            "[0 for {v} in range(1)]",
        ),
    ),
)

FLOATS = Hazard(
    tests=(
        *(
            "{v}",
            "{v} != 0",
            "{v} > 0",
            "{v} >= 0",
            "not {v} < 0",
            "not {v} <= 0",
            "{v} > 1.0",
            "{v} * {v} > 0",
            "{v} == {v}",
        ),
        *(
            "0.0 < {v} < 1.0",
            "abs({v}) > 0.5",
            "{v} != 1",
            "{v} > {w}",
            "{v} - {w} != 0",
            "{v} < 1e6",
            "abs({v}) < 100",
        ),
        *(
            "math.isfinite({v})",
            "not math.isnan({v})",
            "{v} > 0 and {w} > 0",
            "{v} + {w} > 0",
            "int({v}) > 0",
            "{v} >= 1e-9",
        ),
    ),
    uses=(
        *(
            "1 / {v}",
            "1.0 // {v}",
            "1.0 % {v}",
            "math.sqrt({v})",
            "math.log({v})",
            "int({v})",
            "round({v})",
            "math.floor({v})",
        ),
        *(
            "1 / ({v} * {v})",
            "1 / ({v} + 1)",
            "1 / ({v} - 1)",
            "1 / ({v} - {w})",
            "{v} ** -1",
            "{v} ** 0.5",
            "{v} ** 2",
            "2.0 ** {v}",
        ),
        *(
            "math.exp({v})",
            "1 / ({v} + 1 - 1)",
            "1 / ({v} / 2)",
            "1 / abs({v})",
            "1 / int({v})",
            "1 / round({v})",
            "math.ceil({v})",
        ),
        *(
            "1 / ({v} * {w})",
            "'ab' * int({v})",
            "[1, 2][int({v})]",
            "1 / ({v} * 0.5)",
            "1 / {w}",
            "math.sqrt(1 - {v})",
            "{v} ** {w}",
        ),
        *(
            "1 / ({v} * 1e-200)",
            "math.acos({v})",
            "({v} ** 0.5) < 2",
            "f'{{{v}:d}}'",
            "int({v} * 100)",
            "math.sqrt({v} * {v} - 1)",
        ),
    ),
    changes=(
        *(
            "{v} -= 1",
            "{v} /= 2",
            "{v} = {v} * {v}",
            "{v} = -{v}",
            "{v} = {w}",
            "{v} = 0.0",
            "{v} = abs({v})",
            "{v} = round({v}, 1)",
        ),
        *(
            "{v} = float(int({v}))",
            "{v} = max({v}, {w})",
            "{v} = min({v}, 0)",
            "{v} *= 0.1",
            "{v} = {v} % 1",
            "{v} = {v} // 1",
            "{v} += {w}",
        ),
        *("for {v} in (1.0, 0.0): pass", "{v} = {v} - {v}", "{v} = int({v})", "{v} = math.floor({v})", "{v} *= 1e-300"),
    ),
)

TEXTS = Hazard(
    tests=(
        *(
            "{v}",
            "len({v}) > 0",
            "{v} != ''",
            "{v}.isdigit()",
            "{v}.isdecimal()",
            "{v}.isnumeric()",
            "{v}.isalpha()",
            "{v}.strip()",
        ),
        *(
            "len({v}) == 1",
            "len({v}) >= 2",
            "',' in {v}",
            "' ' in {v}",
            "{v}.startswith('a')",
            "{v} in 'abc'",
            "0 <= {i} < len({v})",
        ),
        *(
            "{i} < len({v})",
            "len({v}) == len({w})",
            "{v}.islower()",
            "{v}.find('a') >= 0",
            "'a' in {v}",
            "{v}.count(',') == 1",
            "{v} > 'a'",
        ),
        *(
            "'a' <= {v} <= 'z'",
            "{v}.isalnum()",
            "{v}[0] == 'a'",
            "{v}.isascii()",
            "{v}[:1] == 'a'",
            "{v}.endswith(',')",
            "{v} == {w}",
        ),
        *(
            "all(c.isdigit() for c in {v})",
            "all(c in '0123' for c in {v})",
            "{v}.lstrip('-').isdigit()",
            "{v}.isspace()",
            "not {v}.isspace()",
        ),
    ),
    uses=(
        *(
            "{v}[0]",
            "{v}[-1]",
            "{v}[{i}]",
            "{v}[1]",
            "int({v})",
            "float({v})",
            "ord({v})",
            "{v}.index('a')",
            "{v}.split(',')[1]",
        ),
        *(
            "{v}.split()[0]",
            "{v}.strip()[0]",
            "{v}.lower()[0]",
            "{v}.split(',')[0]",
            "{v}.rindex(',')",
            "{i} // len({v})",
            "{w}[{i}]",
        ),
        *(
            "[0, 1, 2][ord({v}[0]) - 97]",
            "([0] * 26)[ord({v}) - ord('a')]",
            "{v}.upper()[{i}]",
            "{v}.split('a')[1]",
            "max({v})",
        ),
        *(
            "len({v}) // len({v}.strip())",
            "int({v}[0])",
            "int({v}, 16)",
            "{v}.split()[-1][0]",
            "{v}[{v}.find('a')]",
            "chr(ord({v}[0]) + 1)",
        ),
        *(
            "{v}.splitlines()[0]",
            "{v}.partition(',')[2][0]",
            "{v}.encode()[0]",
            "int({v}.strip())",
            "{v}.rsplit(',', 1)[1]",
            "{v}.split({w})",
        ),
        *(
            "{v}.title()[0]",
            "{v}.swapcase()[{i}]",
            "{v}.zfill(2)[1]",
            "{v}.replace('a', '')[0]",
            "'%d' % {v}",
            "{v}.format(1)",
            "{v} % ()",
        ),
        *(
            "sum(int(c) for c in {v})",
            "next(c for c in {v})",
            "{v}.center(3)[2]",
            "{v}.casefold()[-1]",
            "list({v})[0]",
            "{v}[::-1][0]",
        ),
    ),
    changes=(
        *(
            "{v} = {v}[1:]",
            "{v} = {v}.strip()",
            "{v} = {v}.upper()",
            "{v} = {v}.lower()",
            "{v} = {v}.replace('a', '')",
            "{v} = {w}",
        ),
        *(
            "{v} = {v} + 'a'",
            "{v} = ''",
            "{v} = {v}[:-1]",
            "{i} += 1",
            "{v} = {v}.lstrip('0')",
            "{v} = {v} * {i}",
            "{v} = {v}[::-1]",
        ),
        *(
            "for {v} in {v}: pass",
            "{v} = ''.join(sorted({v}))",
            "{v}.strip()",
            "{v} = {v}.split(',')[0]",
            "{v} = {v}.title()",
            "{i} = len({v})",
        ),
        *(
            "{v} = ''.join(c for c in {v} if c != 'a')",
            "{v} = {v} or 'a'",
            "{v} = str({i})",
            "{v} += {w}",
            "{v} = {v}.casefold()",
            "{v} = repr({v})",
        ),
    ),
)

OPTIONALS = Hazard(
    tests=(
        *(
            "{v} is not None",
            "{v}",
            "isinstance({v}, {t})",
            "{v} != None",
            "not {v} is None",
            "{v} is not None and {i} > 0",
        ),
        *(
            "{v} is not None or {i} > 0",
            "type({v}) is {t}",
            "not isinstance({v}, {t})",
            "{v} is None",
            "{w} is not None",
            "bool({v})",
        ),
    ),
    uses=(
        "{use}",
        "{use}",
        "{use}",
        "[{v}][0] + 1",
        "len({v})",
        "{v} + {v}",
        "{v} < {v}",
        "hash({v})",
        "{v} * 2",
        "sorted([{v}, {v}])",
    ),
    changes=(
        *(
            "{v} = None",
            "{v} = {v} or None",
            "{v} = {i} if {i} > 0 else None",
            "{v} = maybe({i})",
            "maybe({i})",
            "{v} = {w}",
        ),
        *(
            "{v} = [{v}, None][-1]",
            "for {v} in (1, None): pass",
            "{v} = None if {v} is not None else 1",
            "{v}, {w} = {w}, {v}",
        ),
        *(
            "{v} = {{}}.get({i})",
            "{v} = next((y for y in [] if y), None)",
            "{w} = None",
            "{v} = {v} if {i} else {w}",
            "{v} = {v} and None",
        ),
    ),
)

SETS = Hazard(
    tests=(
        "{e} in {v}",
        "{v}",
        "len({v}) > 0",
        "{e} in {w}",
        "{v} & {w}",
        "{v} == {w}",
        "{v} <= {w}",
        "{e} not in {v}",
        "{v} - {w}",
    ),
    uses=(
        *(
            "{v}.remove({e})",
            "{v}.pop()",
            "max({v})",
            "next(iter({v}))",
            "list({v})[0]",
            "{i} // len({v})",
            "sorted({v})[-1]",
            "{w}.pop()",
        ),
        *(
            "({v} & {w}).pop()",
            "({v} | {w}).pop()",
            "({v} - {w}).pop()",
            "min({w})",
            "set({v}).pop()",
            "{w}.remove({e})",
        ),
    ),
    changes=(
        *(
            "{v}.discard({e})",
            "{v}.remove({e})",
            "{v}.pop()",
            "{v}.clear()",
            "{v} = set()",
            "{v} = {v} - {{{e}}}",
            "{v} -= {w}",
            "{v} &= {w}",
        ),
        *(
            "{v}.add({e})",
            "other = {v}; other.clear()",
            "other = set({v}); other.clear()",
            "{v} |= {w}",
            "shrink({v})",
            "{w} = {v}",
        ),
        *(
            "box = [{v}]; box[0].clear()",
            "{v} = {w}",
            "{w}.clear()",
            "{v} = {{y for y in {v} if y != {e}}}",
            "{v} ^= {w}",
        ),
    ),
)

GRIDS = Hazard(
    tests=(
        *(
            "{v} and {v}[0]",
            "{v}",
            "0 <= {i} < len({v})",
            "len({v}) > 0 and len({v}[0]) > 0",
            "all({v})",
            "any({v})",
            "{v} != [[]]",
        ),
        *(
            "{v} and all(len(r) == len({v}[0]) for r in {v})",
            "{v} and {i} < len({v}[0])",
            "all(len(r) > 0 for r in {v})",
            "all(r for r in {v}) and {v}",
        ),
        *(
            "0 <= {i} < len({v}) and 0 <= {i} < len({v}[{i}])",
            "len({v}) == len({v}[0])",
            "sum(map(len, {v})) > 0",
            "{v} and min(map(len, {v})) > 0",
        ),
    ),
    uses=(
        *(
            "{v}[0][0]",
            "{v}[-1][-1]",
            "{v}[{i}][{i}]",
            "[r[0] for r in {v}]",
            "{v}[0].pop()",
            "max({v}[0])",
            "len({v}[0])",
            "{v}[{i}][0]",
        ),
        *(
            "[{v}[k][0] for k in range(len({v}))]",
            "[{v}[0][k] for k in range(len({v}))]",
            "[r[len({v}[0]) - 1] for r in {v}]",
            "max(map(max, {v}))",
        ),
        *(
            "[{v}[k][k] for k in range(len({v}))]",
            "list(zip(*{v}))[0]",
            "[{v}[k + 1][0] for k in range(len({v}) - 1)]",
            "[x for r in {v} for x in r][0]",
        ),
        *(
            "min({v}[-1])",
            "[[r[k] for r in {v}] for k in range(len({v}[0]))]",
            "sum({v}[0]) // len({v}[0])",
            "max({v}, key=len)[0]",
            "sum({v}, [])[0]",
        ),
    ),
    changes=(
        *(
            "{v}[0].clear()",
            "{v}[0].pop()",
            "for r in {v}: r.clear()",
            "{v}.append([])",
            "row = {v}[0]; row.clear()",
            "row = {v}[0][:]; row.clear()",
        ),
        *(
            "{v}[0] = []",
            "{v}[-1] = {v}[0]",
            "{v} = [r[1:] for r in {v}]",
            "{v} = {v}[1:]",
            "{v}.clear()",
            "{v}.sort()",
            "{v}.insert(0, [])",
            "{v}.reverse()",
        ),
        *(
            "{v}[{i}] = []",
            "other = {v}[:]; other[0].clear()",
            "other = [r[:] for r in {v}]; other[0].clear()",
            "{v} += [[]]",
            "{v} = [[]] + {v}",
            "shrink({v}[0])",
        ),
        *(
            "{v} = sorted({v})",
            "for r in {v}: r.append(0)",
            "for r in {v}: r = []",
            "last = {v}.pop(); last.clear()",
            "{v}[0].append(0)",
            "{v} = [[]] * len({v})",
        ),
        *(
            "{v}[0], {v}[-1] = {v}[-1], {v}[0]",
            "[r.pop() for r in {v}]",
            "shrink({v})",
            "shrink({v}[-1])",
            "a = b = {v}; b[0].clear()",
            "{v}[0] += {v}[0]",
        ),
    ),
)

HELPERS = {
    "shrink": "def shrink(z):\n    if z:\n        z.pop()\n",
    "grow": "def grow(z):\n    z.append(z[0] if z else 0)\n",
    "forget": "def forget(z, k):\n    z.pop(k, None)\n",
    "halve": "def halve(z: int) -> int:\n    return z // 2\n",
    "maybe": "def maybe(z: int) -> int | None:\n    if z > 0:\n        return z\n",
}


def _hazard(kind: Type) -> Hazard | None:
    if kind.name == "list":
        return GRIDS if kind.element.name == "list" else LISTS
    by_name = {"dict": DICTS, "int": NUMBERS, "float": FLOATS, "str": TEXTS, "|": OPTIONALS, "set": SETS}
    return by_name.get(kind.name)


@writes(9, plain=8)
def guarded(w: Writer, depth: int) -> Block | None:
    """A test, perhaps a change, and a use, in one of the shapes in which programs write them."""
    name = w.name(lambda kind: _hazard(kind) is not None)
    return None if name is None else _guarded(w, name, depth)


def guarded_alone(w: Writer) -> tuple[dict[str, Type], Block]:
    """The parameters that a guarded operation takes, and the operation."""
    kinds = [kind for _, kind in PARAMETER_TYPES if _hazard(kind) is not None]
    kind = w.pick(*kinds, INT, INT, INT, INTS, INTS, FLOAT, FLOAT, STR, STR)
    key = kind.arguments[0] if kind.name == "dict" else INT
    for name, held in (("v", kind), ("w", kind), ("i", key)):
        if name == "v" or w.odds(0.75):
            w.bind(name, held)
    return dict(w.variables), _guarded(w, "v", 1)


def _guarded(w: Writer, name: str, depth: int) -> Block:
    kind = w.variables[name]
    hazard = _hazard(kind)
    assert hazard is not None
    holes = _holes(w, name, kind)
    test, use, wrong = (fill(w, w.pick(*texts), holes) for texts in (hazard.tests, hazard.uses, hazard.changes))
    between: Block = []
    if w.odds(0.45):
        between = [wrong] if w.odds(0.8) else [*statement(w, 0)]
        if w.odds(0.25):
            between = [f"if {expression(w, BOOL, 1)}:", *indented(between)]
    return w.weighted(SHAPES)(w, test, use, between, depth)


def _holes(w: Writer, name: str, kind: Type) -> dict[str, str]:
    key = kind.arguments[0] if kind.name == "dict" else INT
    element = kind.element if kind.name in ("list", "set") else kind.arguments[0] if kind.arguments else INT
    inner = next((part for part in kind.arguments if part.name != "None"), INT) if kind.name == "|" else INT
    number = w.name(key) or constant(w, key)
    return {
        "v": name,
        "w": next((other for other in w.names(kind) if other != name), name),
        "i": number,
        "i2": w.name(INT) or "7",
        "e": expression(w, element, 0),
        "e2": constant(w, kind.arguments[-1]) if kind.arguments else "0",
        "t": inner.name,
        "use": _USES_OF.get(inner.name, "{v}[0]").replace("{v}", name),
    }


_USES_OF = {"int": "{v} + 1", "str": "{v}.upper()", "dict": "len({v})", "float": "{v} * 2", "list": "len({v})"}


def fill(w: Writer, text: str, holes: dict[str, str]) -> str:
    """The text with its holes filled; what it calls is defined, what it uses is imported."""
    filled = text.format(**holes)
    try:
        ast.parse(filled)
    except SyntaxError:  # a change of what is a constant here
        return "pass"
    for helper, source in HELPERS.items():
        if f"{helper}(" in filled:
            w.definitions[helper] = source
    if "math." in filled:
        w.uses("math")
    return filled


# --- the shapes

Shape = Callable[[Writer, str, str, Block, int], Block]


def _in_block(w: Writer, test: str, use: str, between: Block, depth: int) -> Block:
    lines = [f"if {test}:", *indented([*between, *_used(w, use)])]
    return lines + (["else:", *indented(statement(w, 0))] if w.odds(0.2) else [])


def _after_exit(w: Writer, test: str, use: str, between: Block, depth: int) -> Block:
    leave = "return " + constant(w, w.result)
    if w.in_loop and w.odds(0.6):
        leave = w.pick("continue", "break")
    elif w.odds(0.15):
        leave = "raise ValueError('no')"
    return [f"if not ({test}):", f"    {leave}", *between, *_used(w, use)]


def _asserted(w: Writer, test: str, use: str, between: Block, depth: int) -> Block:
    return [f"assert {test}", *between, *_used(w, use)]


def _named(w: Writer, test: str, use: str, between: Block, depth: int) -> Block:
    """The test's outcome kept in a variable, used after the change."""
    return [f"fine = bool({test})", *between, "if fine:", *indented(_used(w, use))]


def _inline(w: Writer, test: str, use: str, between: Block, depth: int) -> Block:
    value = w.pick(f"({use}) if {test} else {constant(w, INT)}", f"{test} and {use}", f"not ({test}) or {use}")
    return [*between, *_used(w, value)]


def _in_loop(w: Writer, test: str, use: str, between: Block, depth: int) -> Block:
    """Tested once before the loop, changed after the use in its body: right the first time round."""
    head = w.pick("for _ in range(3):", "for turn in range(2):", "while True:", "for _ in [1, 2]:")
    body = [*_used(w, use), *between]
    if head.startswith("while"):
        body += [f"if {expression(w, BOOL, 1)}:", "    break"]
    return [f"if {test}:", *indented([head, *indented(body)])]


def _while_tested(w: Writer, test: str, use: str, between: Block, depth: int) -> Block:
    """The loop's own test is the guard."""
    body = [*between, *_used(w, use)] if w.odds(0.5) else [*_used(w, use), *between]
    return ["turns = 0", f"while ({test}) and turns < 3:", *indented([*body, "turns += 1"])]


def _in_try(w: Writer, test: str, use: str, between: Block, depth: int) -> Block:
    """Perhaps caught, perhaps by the wrong handler, with the change in the try, the handler or the end."""
    caught = w.pick(
        "IndexError", "KeyError", "ZeroDivisionError", "ValueError", "TypeError", "LookupError", "Exception"
    )
    risky = _used(w, use)
    shape = w.pick(0, 1, 2, 3)
    if shape == 0:
        return ["try:", *indented([*between, *risky]), f"except {caught}:", "    pass"]
    if shape == 1:
        return [f"if {test}:", *indented(["try:", *indented(between), f"except {caught}:", "    pass", *risky])]
    if shape == 2:
        return [f"if {test}:", *indented(["try:", *indented(risky), "finally:", *indented(between)]), *risky]
    return ["try:", *indented(risky), f"except {caught}:", *indented(between), "else:", *indented(risky)]


def _by_closure(w: Writer, test: str, use: str, between: Block, depth: int) -> Block:
    """The change made by a nested function that is called between the test and the use."""
    if w.in_loop or not between:
        return _in_block(w, test, use, between, depth)
    names = [name for name in w.variables if any(line.split(" ")[0] == name for line in between)]
    head = [f"nonlocal {', '.join(names)}"] if names and w.odds(0.7) else []
    return ["def change():", *indented([*head, *between]), f"if {test}:", *indented(["change()", *_used(w, use)])]


def _used(w: Writer, use: str) -> Block:
    """The use, kept, printed, returned or thrown away."""
    style = w.chance.random()
    if style < 0.5:
        return [f"got = {use}"]
    if style < 0.75:
        return [use]
    return [f"got = [{use}]"] if style < 0.9 else [f"return {use}"]


SHAPES: Sequence[tuple[float, Shape]] = (
    (5, _in_block),
    (4, _after_exit),
    (1, _asserted),
    (1, _named),
    (3, _inline),
    (2.5, _in_loop),
    (1.5, _while_tested),
    (1.5, _in_try),
    (1, _by_closure),
)
