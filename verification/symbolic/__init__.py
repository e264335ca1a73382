"""A forking symbolic executor of Python's syntax tree over Z3.

Rests on: values (what a variable can hold), encoding (Python's operators as terms), state (one path),
solver (which paths exist), machine (forking and budgets), then a table of handlers by syntax node.
A node without a handler is refused, never approximated.
"""
