"""Training of code models: curriculum, supervised training, reward model, PPO with LoRA, evaluation.

Importing this package loads nothing heavy: torch comes in with the modules that need it.
"""

import os

# Read when huggingface_hub is first imported: no stage reports to anyone that it runs.
os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
