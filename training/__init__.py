"""Training of code models: curriculum, supervised training, reward model, PPO with LoRA, evaluation.

Importing this package loads nothing heavy: torch comes in with the modules that need it.
"""
