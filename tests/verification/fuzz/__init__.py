"""Random annotated programs against ``verify()``: what it proves must hold in CPython, what it refutes must break."""
