"""Proofs of whole programs by over-approximation: every real run is among those looked at, loops included.

Where `verification.symbolic` follows single paths exactly and stops at a bound, this follows all paths at once: states
are merged where control flow meets, a loop is one arbitrary iteration from a state that an invariant describes, and
an operation whose result isn't needed exactly leaves it open. What is shown never to happen, never happens; what can't
be shown is a suspect, about which nothing is said here.
"""
