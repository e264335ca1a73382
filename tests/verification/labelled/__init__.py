"""Functions that are known to keep a property, each beside a near-twin that breaks it.

They are of the kind that code models write. Of each pair one is safe for every input of the annotated types, and the
other has a witness on which CPython breaks the property. ``test_labels.py`` holds the labels against real Python.
Left out: int-bounds (which needs a stated range) and equivalence (which needs a reference).
"""

from __future__ import annotations

from tests.verification.labelled import (
    assertions,
    contracts,
    dicts,
    exceptions,
    floats,
    mutation,
    names,
    none_and_types,
    recursion,
    returns,
    sequences,
    termination,
    values,
    zero_division,
)
from tests.verification.labelled.rows import Labelled, twins

__all__ = ["ALL", "Labelled", "twins"]

ALL: tuple[Labelled, ...] = (
    *zero_division.ROWS,
    *sequences.ROWS,
    *dicts.ROWS,
    *values.ROWS,
    *none_and_types.ROWS,
    *names.ROWS,
    *exceptions.ROWS,
    *assertions.ROWS,
    *contracts.ROWS,
    *mutation.ROWS,
    *returns.ROWS,
    *termination.ROWS,
    *recursion.ROWS,
    *floats.ROWS,
)
