"""Settings of every stage, as frozen dataclasses with defaults that work (standard library only).

The command line, the web form and the workers all read a mapping into one of these with
``read`` and show its errors, so a value is judged in one place. Names are TRL's.
"""

from __future__ import annotations

import types
import typing
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from typing import Any, TypeVar


def setting(
    default: Any,
    *,
    low: float | None = None,
    high: float | None = None,
    above: float | None = None,
    choices: tuple[str, ...] = (),
) -> Any:
    """A dataclass field whose range is checked by ``problems``: ``low``/``high`` inclusive, ``above`` exclusive."""
    metadata = {"low": low, "high": high, "above": above, "choices": choices}
    if isinstance(default, tuple):
        return field(default_factory=lambda: default, metadata=metadata)
    return field(default=default, metadata=metadata)


@dataclass(frozen=True)
class TaskSettings:
    """Which generated tasks are drawn."""

    train: int = setting(6000, low=1, high=1_000_000)
    held_out: int = setting(300, low=1, high=100_000)
    """Tasks in each held-out split."""
    unsafe_share: float = setting(0.5, low=0.0, high=1.0)
    """Share of unsafe solutions among families that have any."""
    reference_weight: float = setting(3.0, low=0.1, high=12.0)
    """For how many of the other safe solutions a family's reference counts among the demonstrations; with less than 1
    most of them are clumsy."""
    families: tuple[str, ...] = setting(())
    """Slugs of the families to use; empty means all."""
    names: int = setting(0, low=0, high=10_000)
    """Of how many values each name (of a function or an argument) is drawn in training; 0 means all that there are.
    With a few, a model learns within seconds what it must otherwise learn to copy."""
    constants: int = setting(0, low=0, high=10_000)
    """The same for the numbers and words of a description."""
    wordings: int = setting(0, low=0, high=100)
    """Of how many wordings each family and language is described in training; 0 means all that are not held out."""
    invented: float = setting(0.5, low=0.0, high=1.0)
    """Share of names and words that are made up, syllable by syllable, where ``names`` and ``constants`` don't limit
    them: a model that never sees the same name twice has to learn to copy."""
    seed: int = setting(0, low=0, high=2**31 - 1)


@dataclass(frozen=True)
class ModelSettings:
    """The supervised model's shape, or a model to start from."""

    preset: str = setting("aval-tiny", choices=("aval-micro", "aval-mini", "aval-tiny", "gpt2-small"))
    base_model: str = ""
    """A path or hub id of any causal language model; replaces the preset. Safetensors only."""
    vocab_size: int = setting(2048, low=300, high=50_257)


@dataclass(frozen=True)
class SFTSettings:
    """Supervised training: cross-entropy on the code, the prompt masked."""

    learning_rate: float = setting(1e-3, above=0.0, high=1.0)
    weight_decay: float = setting(0.01, low=0.0, high=1.0)
    warmup_ratio: float = setting(0.05, low=0.0, high=0.5)
    label_smoothing: float = setting(0.0, low=0.0, high=0.5)
    dropout: float = setting(0.0, low=0.0, high=0.9)
    batch_size: int = setting(4, low=1, high=4096)
    """Of all processes together. Small ones learn the most from minutes on a CPU."""
    epochs: float = setting(3.0, above=0.0, high=1000.0)
    max_cpu_seconds: float = setting(0.0, low=0.0)
    """Stop after this many CPU seconds (all threads); 0 means no such stop."""
    bf16: bool = True
    save_steps: int = setting(50, low=1)
    seed: int = setting(0, low=0, high=2**31 - 1)


@dataclass(frozen=True)
class DecodingSettings:
    """How completions are drawn."""

    max_new_tokens: int = setting(128, low=1, high=4096)
    temperature: float = setting(1.0, low=0.0, high=10.0)
    """0 means greedy."""
    top_k: int = setting(0, low=0)
    top_p: float = setting(1.0, above=0.0, high=1.0)
    num_beams: int = setting(1, low=1, high=64)
    batch_size: int = setting(128, low=1, high=4096)
    seed: int = setting(0, low=0, high=2**31 - 1)


@dataclass(frozen=True)
class LoraSettings:
    """The adapter's size."""

    r: int = setting(16, low=1, high=512)
    alpha: int = setting(32, low=1, high=1024)
    dropout: float = setting(0.0, low=0.0, high=0.9)
    layers: int = setting(0, low=0, high=1000)
    """So many layers from the top get an adapter, 0 is all. The states below them never change: PPO keeps them for
    the whole update."""


@dataclass(frozen=True)
class RewardModelSettings:
    """The reward model: an ensemble of LoRA members on the supervised backbone, each by TRL's RewardTrainer."""

    learning_rate: float = setting(1e-3, above=0.0, high=1.0)
    batch_size: int = setting(16, low=1, high=4096)
    epochs: float = setting(4.0, above=0.0, high=1000.0)
    """Passes over the pairs; a pair is one row, however many rated it."""
    margin: float = setting(1.0, low=0.0, high=10.0)
    """By how much the strongest preference (3 of 3) must part the two scores; weaker ones in proportion."""
    members: int = setting(3, low=1, high=16)
    """Adapters trained apart, each from a start and in an order of its own."""
    bagging: bool = True
    """Whether each of several members learns from prompts drawn with replacement instead of from all: they differ
    more, and each knows less."""
    scales_weight: float = setting(0.1, low=0.0, high=10.0)
    """Weight of telling the raters' scales of 1 to 5, which shapes the adapter and not the score; 0 ignores them."""
    weigh_annotators: bool = True
    """Whether a rating counts by its annotator's estimated reliability."""
    held_out: float = setting(0.2, above=0.0, high=0.9)
    """Share of the prompts whose comparisons are kept for the accuracy and the calibration."""
    lora: LoraSettings = LoraSettings()
    bf16: bool = True
    """Compute in bfloat16 where the hardware does."""
    save_steps: int = setting(25, low=1)
    seed: int = setting(0, low=0, high=2**31 - 1)


@dataclass(frozen=True)
class RewardSettings:
    """Weights of the composed reward. Tests dominate, then verdicts, then ratings; 0 leaves a voice out."""

    tests_weight: float = setting(1.0, low=0.0, high=100.0)
    all_pass_share: float = setting(0.5, low=0.0, high=1.0)
    """Share of the tests' weight that only passing all of them earns; the rest goes by the fraction passed."""
    syntax_weight: float = setting(0.25, low=0.0, high=100.0)
    """How far a program that is no Python at all is below one that runs and fails every test."""
    verifier_weight: float = setting(0.5, low=0.0, high=100.0)
    """For a program that passes all tests and all of whose declared properties are proved."""
    learned_weight: float = setting(0.5, low=0.0, high=100.0)
    """The most that ratings may move a reward; less where that would outrank a test or a verdict."""
    learned_clip: float = setting(2.0, above=0.0, high=10.0)
    """The learned reward is z-scored and clipped to plus or minus this many standard deviations."""
    learned_pessimism: float = setting(1.0, low=0.0, high=10.0)
    """So many standard deviations between the reward model's members are taken off their mean score."""


@dataclass(frozen=True)
class GuardSettings:
    """What pauses a PPO run (``training.guards``). A threshold of 0 leaves its monitor out."""

    enabled: bool = True
    """Whether alarms pause the run; the monitors' numbers are logged in any case."""
    first_updates: int = setting(3, low=1, high=1000)
    """With whose mean the later updates are compared."""
    patience: int = setting(3, low=1, high=1000)
    """Updates in a row past a threshold that raise an alarm."""
    length_ratio: float = setting(2.0, low=0.0, high=1000.0)
    """So many times as long, or as short, as at first."""
    duplicates_rise: float = setting(0.3, low=0.0, high=1.0)
    """Of the share of failing programs that also answer a prompt of another kind."""
    unsupported_rise: float = setting(0.2, low=0.0, high=1.0)
    """Of the share of verified programs with an UNSUPPORTED verdict."""
    unknown_rise: float = setting(0.2, low=0.0, high=1.0)
    """Of the share of verified programs with an UNKNOWN verdict."""
    syntax_fall: float = setting(0.2, low=0.0, high=1.0)
    """Of the share of valid Python."""
    finished_fall: float = setting(0.2, low=0.0, high=1.0)
    """Of the share of programs that end by themselves."""
    most_kl: float = setting(20.0, low=0.0, high=100_000.0)
    """To the starting model, in nats a program."""
    truth_fall: float = setting(0.1, low=0.0, high=1.0)
    """Of the share of the validation split that passes all tests, from its best, while the reward rises."""
    truth_patience: int = setting(2, low=1, high=1000)
    """The same as ``patience``, counted in times that the validation split is asked."""

    def problems(self) -> dict[str, str]:
        """What is wrong with fields that are each in range."""
        if 0 < self.length_ratio <= 1:
            return {"length_ratio": "must be above 1, or 0 to leave it out"}
        return {}


@dataclass(frozen=True)
class RolloutSettings:
    """What all that learn from their own completions have in common (names are TRL's)."""

    num_updates: int = setting(36, low=1, high=100_000)
    learning_rate: float = setting(5e-4, above=0.0, high=1.0)
    lr_scheduler_type: str = setting("cosine", choices=("cosine", "constant", "linear"))
    batch_size: int = setting(128, low=2, high=65_536)
    """Rollouts per update."""
    mini_batch_size: int = setting(64, low=1, high=65_536)
    """Rollouts per optimiser step; divides batch_size."""
    micro_batch_size: int = setting(32, low=1, high=65_536)
    """Most rollouts in one forward and backward pass: memory and speed, not results."""


@dataclass(frozen=True)
class PPOSettings(RolloutSettings):
    """One PPO run with LoRA."""

    num_ppo_epochs: int = setting(2, low=1, high=64)
    kl_coef: float = setting(0.03, low=0.0, high=10.0)
    kl_estimator: str = setting("k1", choices=("k1", "k3"))
    adaptive_kl: bool = False
    target_kl: float = setting(0.0, low=0.0, high=1000.0)
    """Mean KL per sequence (nats) that the adaptive controller aims at."""
    max_update_kl: float = setting(0.0, low=0.0, high=1000.0)
    """Mean KL per token (nats) between an update's first policy and the present one past which the update ends
    early; 0 means never."""
    cliprange: float = setting(0.2, above=0.0, high=1.0)
    cliprange_value: float = setting(0.2, above=0.0, high=10.0)
    vf_coef: float = setting(0.1, low=0.0, high=10.0)
    gamma: float = setting(1.0, above=0.0, high=1.0)
    lam: float = setting(0.95, low=0.0, high=1.0)
    missing_eos_penalty: float = setting(1.0, low=0.0, high=100.0)
    temperature: float = setting(1.0, above=0.0, high=10.0)
    response_length: int = setting(128, low=1, high=4096)
    max_grad_norm: float = setting(1.0, above=0.0, high=1000.0)
    value_pretraining_updates: int = setting(2, low=0, high=1000)
    """First updates that train the value head alone."""
    draw_lagging: bool = False
    """Whether more prompts are drawn of the families that lag behind."""
    imitation_coef: float = setting(0.0, low=0.0, high=100.0)
    """Weight of learning again from earlier completions that did better than expected (self-imitation); 0 is
    never."""
    imitation_batch_size: int = setting(32, low=1, high=65_536)
    """Those an optimiser step."""
    exploration_batches: int = setting(0, low=0, high=10_000)
    """Batches of rollouts before the first update, of which only what did better than expected is learnt from."""
    lora: LoraSettings = LoraSettings()
    reward: RewardSettings = RewardSettings()
    guards: GuardSettings = GuardSettings()
    validation_prompts: int = setting(64, low=0, high=100_000)
    """Tasks that are kept out of training, at most a fifth of them; the result is the adapter that solves
    most of them, the last of those that they can't tell apart. 0 means none, and the last adapter."""
    validation_every: int = setting(6, low=1, high=100_000)
    """Updates between two times that those are asked; the first and the last update are in any case."""
    shrink_adapter: bool = False
    """Whether the adapter is scaled down in the end as far as those tasks' reward stays what it is."""
    disagreements: int = setting(12, low=0, high=1000)
    """Completions that annotators are asked about after a run of the platform: those whose rating and tests disagree
    most."""
    line_credit: float = setting(0.0, low=0.0, high=0.5)
    """Share of what a program's reward lacks that is taken at its faulty lines, where they are known."""
    bf16: bool = True
    """Compute in bfloat16 where the hardware does."""
    save_steps: int = setting(5, low=1)
    """Updates between checkpoints."""
    seed: int = setting(0, low=0, high=2**31 - 1)

    def problems(self) -> dict[str, str]:
        """What is wrong between fields that are each in range."""
        found = {}
        if self.batch_size % self.mini_batch_size:
            found["mini_batch_size"] = f"must divide batch_size, which is {self.batch_size}"
        if self.exploration_batches and self.imitation_coef == 0:
            found["exploration_batches"] = "must be 0 without imitation_coef, which learns from them"
        if self.adaptive_kl and self.target_kl == 0:
            found["target_kl"] = "must be above 0 with adaptive_kl"
        return found


@dataclass(frozen=True)
class DPOSettings:
    """Direct preference optimisation with LoRA: TRL's DPOTrainer on pairs, without a reward model."""

    learning_rate: float = setting(4e-4, above=0.0, high=1.0)
    lr_scheduler_type: str = setting("cosine", choices=("cosine", "constant", "linear"))
    batch_size: int = setting(16, low=1, high=4096)
    """Pairs an optimiser step, over all processes."""
    epochs: float = setting(1.0, above=0.0, high=1000.0)
    beta: float = setting(1.0, above=0.0, high=100.0)
    """How closely the policy is held to the backbone; higher is closer. With 0.1 a small model's grammar is lost."""
    loss_type: str = setting("sigmoid", choices=("sigmoid", "hinge", "ipo", "robust"))
    label_smoothing: float = setting(0.0, low=0.0, high=0.49)
    """Share of the preferences that are taken to be the wrong way round; for the robust loss."""
    max_grad_norm: float = setting(1.0, above=0.0, high=1000.0)
    lora: LoraSettings = LoraSettings()
    bf16: bool = True
    """Compute in bfloat16 where the hardware does."""
    save_steps: int = setting(25, low=1)
    seed: int = setting(0, low=0, high=2**31 - 1)

    def problems(self) -> dict[str, str]:
        """What is wrong between fields that are each in range."""
        if self.label_smoothing and self.loss_type != "robust":
            return {"label_smoothing": f"must be 0 with loss_type {self.loss_type}: only robust knows it"}
        return {}


@dataclass(frozen=True)
class GroupSettings(RolloutSettings):
    """What GRPO and RLOO have in common: each completion is judged against the others of its prompt."""

    num_generations: int = setting(8, low=2, high=4096)
    """Completions of one prompt, its group; divides batch_size."""
    num_iterations: int = setting(1, low=1, high=64)
    """Passes over an update's rollouts."""
    beta: float = setting(0.03, low=0.0, high=10.0)
    """Weight of the KL to the backbone."""
    epsilon: float = setting(0.2, above=0.0, high=1.0)
    """Clip range of the policy's ratio."""
    temperature: float = setting(1.0, above=0.0, high=10.0)
    max_completion_length: int = setting(128, low=1, high=4096)
    mask_truncated_completions: bool = False
    """Whether completions that were cut off are left out of the loss."""
    max_grad_norm: float = setting(1.0, above=0.0, high=1000.0)
    lora: LoraSettings = LoraSettings()
    reward: RewardSettings = RewardSettings()
    bf16: bool = True
    """Compute in bfloat16 where the hardware does."""
    save_steps: int = setting(5, low=1)
    """Updates between checkpoints."""
    seed: int = setting(0, low=0, high=2**31 - 1)

    @property
    def steps_per_update(self) -> int:
        return self.num_iterations * (self.batch_size // self.mini_batch_size)

    def problems(self) -> dict[str, str]:
        """What is wrong between fields that are each in range."""
        found = {}
        for name in ("mini_batch_size", "num_generations"):
            if self.batch_size % getattr(self, name):
                found[name] = f"must divide batch_size, which is {self.batch_size}"
        if self.lora.dropout:
            found["lora.dropout"] = "must be 0: the loss compares what the same weights said twice"
        return found


@dataclass(frozen=True)
class GRPOSettings(GroupSettings):
    """One run of TRL's GRPOTrainer with LoRA; the KL is a term of the loss."""

    loss_type: str = setting("dapo", choices=("dapo", "dr_grpo", "grpo", "bnpo"))
    """How token losses are averaged."""
    scale_rewards: str = setting("group", choices=("group", "batch", "none"))
    """Whose standard deviation divides the advantages."""


@dataclass(frozen=True)
class RLOOSettings(GroupSettings):
    """One run of TRL's RLOOTrainer with LoRA; the KL is taken off the reward, as in PPO."""

    normalize_advantages: bool = False
    """Whether an update's advantages are brought to mean 0 and deviation 1."""


@dataclass(frozen=True)
class EvaluationSettings:
    """Evaluation on held-out prompts."""

    splits: tuple[str, ...] = setting(("iid", "para"))
    prompts: int = setting(300, low=1, high=100_000)
    """Prompts a split."""
    samples: int = setting(1, low=1, high=1000)
    """Answers a prompt. With several (drawn, so the temperature must be above 0) pass@k is told for k up to that."""
    verify: bool = True
    """Whether the verifier is asked; tests are run in any case."""
    decoding: DecodingSettings = DecodingSettings(temperature=0.0)
    bootstrap: int = setting(1000, low=100, high=100_000)
    seed: int = setting(0, low=0, high=2**31 - 1)

    def problems(self) -> dict[str, str]:
        """What is wrong between fields that are each in range."""
        if self.samples > 1 and self.decoding.temperature == 0:
            return {"samples": "must be 1 at temperature 0, where all answers to a prompt are the same"}
        return {}


@dataclass(frozen=True)
class Scale:
    """All stages of one run of the loop, sized together."""

    tasks: TaskSettings
    model: ModelSettings
    sft: SFTSettings
    pairs: int
    """Comparisons put before the panel."""
    pairs_for_people: int
    """Comparisons more that the panel leaves alone, for whoever signs in."""
    pair_decoding: DecodingSettings
    """How the two samples of a comparison are drawn."""
    reward_model: RewardModelSettings
    ppo: PPOSettings
    evaluation: EvaluationSettings


CORE_FAMILIES: tuple[str, ...] = (
    "safe-division",
    "clamp",
    "factorial",
    "element-at",
    "last-element",
    "mean",
    "largest",
    "second-largest",
    "lookup",
    "parse-int",
    "truncate",
    "length-or-default",
    "html-item",
    "path-under",
    "parse-list",
    "pipeline",
)
"""The families that a small model learns within minutes on two cores."""

SCALES: dict[str, Scale] = {
    "demo": Scale(
        # Enough unsafe demonstrations that a supervised model's likeliest answer is unsafe in many families.
        tasks=TaskSettings(train=12_000, unsafe_share=0.65, families=CORE_FAMILIES),
        model=ModelSettings(preset="aval-mini"),
        sft=SFTSettings(learning_rate=1.5e-3, batch_size=8, epochs=12.0, max_cpu_seconds=420.0, save_steps=400),
        pairs=240,
        pairs_for_people=12,
        pair_decoding=DecodingSettings(),
        reward_model=RewardModelSettings(),
        ppo=PPOSettings(),
        evaluation=EvaluationSettings(splits=("iid", "comp", "para", "slots")),
    ),
    # Few names and numbers, so that half a minute of training teaches something: the rest of the loop needs a model
    # that often writes valid Python. Its end is counted in steps: on a busy machine CPU seconds buy a seventh of them.
    "tiny": Scale(
        tasks=TaskSettings(
            train=150,
            held_out=24,
            unsafe_share=0.4,
            families=("last-element", "mean", "largest", "length-or-default", "clamp", "parse-int"),
            names=1,
            constants=5,
            wordings=4,
        ),
        model=ModelSettings(preset="aval-micro", vocab_size=400),
        sft=SFTSettings(learning_rate=5e-3, batch_size=8, epochs=28.0, warmup_ratio=0.05, save_steps=100),
        pairs=24,
        pairs_for_people=4,
        pair_decoding=DecodingSettings(max_new_tokens=64),
        reward_model=RewardModelSettings(epochs=1.0),
        ppo=PPOSettings(
            num_updates=6,
            batch_size=32,
            mini_batch_size=16,
            micro_batch_size=16,
            save_steps=1,
            value_pretraining_updates=1,
            response_length=64,
        ),
        evaluation=EvaluationSettings(prompts=24, decoding=DecodingSettings(temperature=0.0, max_new_tokens=64)),
    ),
}


@dataclass(frozen=True)
class ExperimentSettings:
    """What ``aval experiment`` does for each seed. The seed itself replaces those of all stages."""

    # Most demonstrations are unsafe or clumsy: what tests, proofs and ratings have to say is not in them already.
    tasks: TaskSettings = TaskSettings(
        train=20_000, held_out=1000, unsafe_share=0.65, reference_weight=1 / 3, invented=0.7, families=CORE_FAMILIES
    )
    model: ModelSettings = ModelSettings()
    sft: SFTSettings = SFTSettings(epochs=100.0, max_cpu_seconds=720.0, save_steps=500)
    draws: int = setting(12, low=2, high=64)
    """Answers drawn to a prompt, of which two are compared: mostly two that pass, where two do."""
    pairs: int = setting(3000, low=1, high=1_000_000)
    """Prompts for whose answers the panel is asked, of every family as many."""
    panel: int = setting(8, low=2, high=1000)
    """Simulated panellists; one half rates for training, the other judges."""
    overlap: int = setting(2, low=1, high=100)
    """Ratings a pair."""
    reward_model: RewardModelSettings = RewardModelSettings(
        epochs=5.0, margin=0.0, scales_weight=1.0, bagging=False, save_steps=200
    )
    ppo: PPOSettings = PPOSettings(
        num_updates=48,
        learning_rate=3e-3,
        kl_coef=0.1,
        lam=1.0,
        draw_lagging=True,
        imitation_coef=3.0,
        exploration_batches=16,
        lora=LoraSettings(layers=2),
        reward=RewardSettings(learned_weight=1.2),  # only between programs that pass and are proved as well
        save_steps=12,
        guards=GuardSettings(enabled=False),  # nobody is there to look
        validation_prompts=128,
        validation_every=3,
    )
    line_credit: float = setting(0.25, low=0.0, high=0.5)
    """The share that moves to lines at fault, in the arm with line credit."""
    dpo: DPOSettings = DPOSettings()
    rejection_draws: int = setting(8, low=1, high=1000)
    """The control's answers to a prompt, of which the best is learnt."""
    rejection_share: float = setting(0.35, above=0.0, high=0.9)
    """Of the control's CPU seconds, for drawing and judging its answers."""
    rejection_learning_rate: float = setting(3e-4, above=0.0, high=1.0)
    evaluation: EvaluationSettings = EvaluationSettings(splits=("iid", "comp", "para", "slots"), prompts=1000)


EXPERIMENTS: dict[str, ExperimentSettings] = {
    "full": ExperimentSettings(),
    # Every piece once, within minutes; its figures say nothing.
    "tiny": ExperimentSettings(
        tasks=replace(SCALES["tiny"].tasks, families=(*SCALES["tiny"].tasks.families, "pipeline"), held_out=12),
        model=SCALES["tiny"].model,
        sft=SCALES["tiny"].sft,
        draws=4,
        pairs=40,
        panel=4,
        reward_model=SCALES["tiny"].reward_model,
        ppo=replace(SCALES["tiny"].ppo, num_updates=3, draw_lagging=True, imitation_coef=1.0, exploration_batches=1),
        evaluation=EvaluationSettings(
            splits=("iid", "comp", "para", "slots"),
            prompts=12,
            decoding=DecodingSettings(temperature=0.0, max_new_tokens=64),
            bootstrap=100,
        ),
    ),
}

S = TypeVar("S")


class SettingsError(ValueError):
    """Some settings can't be used; ``problems`` maps each field (dotted) to one sentence."""

    def __init__(self, problems: Mapping[str, str]) -> None:
        self.problems = dict(problems)
        super().__init__("; ".join(f"{name}: {text}" for name, text in self.problems.items()))


def read(kind: type[S], values: Mapping[str, Any]) -> S:
    """Build settings from a mapping of strings or JSON values; SettingsError names every bad field."""
    found: dict[str, str] = {}
    result = _read(kind, values, "", found)
    if found:
        raise SettingsError(found)
    return result


def to_json(settings: Any) -> dict[str, Any]:
    """The settings as plain JSON values, which ``read`` takes back."""
    plain = asdict(settings)
    return typing.cast(dict[str, Any], _plain(plain))


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    return value


def _read(kind: type[S], values: Mapping[str, Any], prefix: str, found: dict[str, str]) -> S:
    hints = typing.get_type_hints(kind)
    known = {item.name: item for item in fields(kind)}  # type: ignore[arg-type]
    for name in values.keys() - known.keys():
        found[prefix + name] = f"unknown setting; choose from {', '.join(known)}"
    chosen: dict[str, Any] = {}
    for name, item in known.items():
        if name not in values:
            continue
        hint, value = hints[name], values[name]
        if hasattr(hint, "__dataclass_fields__"):
            if isinstance(value, Mapping):
                chosen[name] = _read(hint, value, f"{prefix}{name}.", found)
            else:
                found[prefix + name] = "must be a group of settings"
            continue
        try:
            chosen[name] = _convert(hint, value)
        except ValueError as error:
            found[prefix + name] = str(error)
            continue
        problem = _range_problem(chosen[name], item.metadata)
        if problem:
            found[prefix + name] = problem
    result = kind(**chosen)
    if not found and hasattr(result, "problems"):
        found.update({prefix + name: text for name, text in result.problems().items()})
    return result


_TRUE, _FALSE = {"true", "1", "yes", "on"}, {"false", "0", "no", "off", ""}


def _convert(hint: Any, value: Any) -> Any:
    origin = typing.get_origin(hint)
    if origin is tuple:
        items = value.split(",") if isinstance(value, str) else value
        if not isinstance(items, (list, tuple)):
            raise ValueError("must be a list")
        return tuple(str(part).strip() for part in items if str(part).strip())
    if isinstance(hint, types.UnionType):
        raise TypeError(f"settings of type {hint} are not read")
    if hint is bool:
        text = str(value).strip().lower()
        if text not in _TRUE | _FALSE:
            raise ValueError("must be true or false")
        return text in _TRUE
    if hint is int:
        return _whole_number(value)
    if hint is float:
        return _number(value)
    return str(value)


def _number(value: Any) -> float:
    try:
        number = float(value)
    except (TypeError, ValueError):
        raise ValueError(f"must be a number, not {value!r}") from None
    if number != number or number in (float("inf"), float("-inf")):
        raise ValueError("must be a finite number")
    return number


def _whole_number(value: Any) -> int:
    try:
        return int(str(value).strip()) if not isinstance(value, float) else _exact(value)
    except ValueError:
        raise ValueError(f"must be a whole number, not {value!r}") from None


def _exact(value: float) -> int:
    if value != int(value):
        raise ValueError
    return int(value)


def _range_problem(value: Any, limits: Mapping[str, Any]) -> str:
    low, high, above = limits.get("low"), limits.get("high"), limits.get("above")
    if limits.get("choices") and value not in limits["choices"]:
        return f"must be one of {', '.join(limits['choices'])}"
    if above is not None and not value > above:
        return f"must be above {above:g}, not {value:g}"
    if low is not None and value < low:
        return f"must be at least {low:g}, not {value:g}"
    if high is not None and value > high:
        return f"must be at most {high:g}, not {value:g}"
    return ""
