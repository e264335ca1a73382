"""``aval experiment``: what ratings, tests and proofs change, each alone and together, on the same tasks and CPU.

Every seed draws its own tasks, trains its own supervised model, lets one half of the simulated panel rate, and aligns
in eight ways. All answer the same held-out prompts; the half of the panel that never rated judges, blind. A piece of
work is done in a process of its own and kept as a file: what was killed goes on from there.
"""
