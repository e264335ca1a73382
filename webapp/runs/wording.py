"""How settings, metrics and the judgements on them read on a page, in the reader's language."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

SETTINGS: dict[str, tuple[str | Promise, str | Promise]] = {
    # name: (label, what it does)
    "num_updates": (gettext_lazy("Updates"), gettext_lazy("How often the policy is updated; the run's length.")),
    "learning_rate": (gettext_lazy("Learning rate"), gettext_lazy("Step size of the optimiser.")),
    "batch_size": (gettext_lazy("Batch size"), gettext_lazy("Programs drawn per update, or examples per step.")),
    "mini_batch_size": (gettext_lazy("Mini-batch size"), gettext_lazy("Programs per optimiser step.")),
    "micro_batch_size": (
        gettext_lazy("Micro-batch size"),
        gettext_lazy("Programs per forward pass: smaller needs less memory and changes nothing else."),
    ),
    "num_ppo_epochs": (gettext_lazy("PPO epochs"), gettext_lazy("Passes over each batch.")),
    "kl_coef": (
        gettext_lazy("KL coefficient"),
        gettext_lazy("Price of moving away from the supervised model: higher keeps closer to it."),
    ),
    "adaptive_kl": (gettext_lazy("Adaptive KL coefficient"), gettext_lazy("Steer the coefficient to the target KL.")),
    "target_kl": (
        gettext_lazy("Target KL"),
        gettext_lazy("Mean KL per program, in nats, that the adaptive coefficient aims at."),
    ),
    "max_update_kl": (
        gettext_lazy("Largest KL of one update"),
        gettext_lazy("Mean KL per token, in nats, past which an update ends early; 0 means never."),
    ),
    "kl_estimator": (gettext_lazy("KL estimator"), ""),
    "lr_scheduler_type": (gettext_lazy("Learning rate schedule"), ""),
    "cliprange": (gettext_lazy("Clip range"), gettext_lazy("How far one update may move a token's probability.")),
    "cliprange_value": (gettext_lazy("Clip range of values"), gettext_lazy("How far one update may move a value.")),
    "vf_coef": (gettext_lazy("Weight of the value loss"), ""),
    "gamma": (gettext_lazy("Discount (gamma)"), ""),
    "lam": (gettext_lazy("GAE lambda"), gettext_lazy("Bias against variance of the advantages.")),
    "missing_eos_penalty": (
        gettext_lazy("Penalty for an unfinished program"),
        gettext_lazy("Taken from the reward of a program that was cut off."),
    ),
    "temperature": (gettext_lazy("Temperature"), gettext_lazy("Spread of the draws; 0, where allowed, is greedy.")),
    "response_length": (gettext_lazy("Longest program"), gettext_lazy("In tokens.")),
    "max_grad_norm": (gettext_lazy("Largest gradient norm"), ""),
    "value_pretraining_updates": (
        gettext_lazy("Updates of the value head alone"),
        gettext_lazy("Before the policy moves."),
    ),
    "draw_lagging": (
        gettext_lazy("More of what lags behind"),
        gettext_lazy("Draw more tasks of the families that score less."),
    ),
    "imitation_coef": (
        gettext_lazy("Weight of imitation"),
        gettext_lazy("Learn again from earlier programs that did better than expected; 0 means never."),
    ),
    "imitation_batch_size": (
        gettext_lazy("Imitated programs"),
        gettext_lazy("Earlier programs per optimiser step."),
    ),
    "exploration_batches": (
        gettext_lazy("Batches of exploration"),
        gettext_lazy("Drawn before the first update; only what did better than expected is learnt from."),
    ),
    "line_credit": (
        gettext_lazy("Credit of lines"),
        gettext_lazy("Share of what a program's reward lacks that is taken at its faulty lines; 0 means none."),
    ),
    "validation_prompts": (
        gettext_lazy("Validation tasks"),
        gettext_lazy(
            "Kept out of training, at most a fifth of the tasks; the result is the adapter that solves most of them, "
            "the last of those that they can't tell apart. 0 means none, and the last adapter."
        ),
    ),
    "validation_every": (gettext_lazy("Updates between validations"), ""),
    "shrink_adapter": (
        gettext_lazy("Scale the adapter down"),
        gettext_lazy(
            "In the end, as far as the validation tasks' reward stays what it is: it then costs least elsewhere."
        ),
    ),
    "disagreements": (
        gettext_lazy("Disagreements to rate"),
        gettext_lazy("Programs put before annotators after the run, because ratings and tests disagree on them."),
    ),
    "guards": (gettext_lazy("Alarms"), ""),
    "enabled": (
        gettext_lazy("Pause at an alarm"),
        gettext_lazy("Until somebody has looked. At 0, a threshold raises no alarm."),
    ),
    "first_updates": (
        gettext_lazy("First updates"),
        gettext_lazy("What the later ones are compared with."),
    ),
    "patience": (gettext_lazy("Patience"), gettext_lazy("Updates in a row past a threshold that raise an alarm.")),
    "length_ratio": (
        gettext_lazy("Length, times that of the first updates"),
        gettext_lazy("Or so many times as short."),
    ),
    "duplicates_rise": (
        gettext_lazy("Rise of equal programs"),
        gettext_lazy("Share of failing programs that also answer a prompt of another kind."),
    ),
    "unsupported_rise": (
        gettext_lazy("Rise of UNSUPPORTED"),
        gettext_lazy("Share of verified programs with such a verdict."),
    ),
    "unknown_rise": (
        gettext_lazy("Rise of UNKNOWN"),
        gettext_lazy("Share of verified programs with such a verdict."),
    ),
    "syntax_fall": (gettext_lazy("Fall of valid Python"), gettext_lazy("Share of the programs.")),
    "finished_fall": (
        gettext_lazy("Fall of finished programs"),
        gettext_lazy("Share of the programs that end by themselves."),
    ),
    "most_kl": (gettext_lazy("Largest KL"), gettext_lazy("From the supervised model, in nats per program.")),
    "truth_fall": (
        gettext_lazy("Fall on the validation tasks"),
        gettext_lazy("Of the share that passes all tests, from its best, while the reward rises."),
    ),
    "truth_patience": (gettext_lazy("Patience on the validation tasks"), gettext_lazy("Validations in a row.")),
    "bf16": (gettext_lazy("bfloat16"), gettext_lazy("Half the memory, faster where the machine supports it.")),
    "save_steps": (gettext_lazy("Steps between checkpoints"), gettext_lazy("What a stopped worker loses at most.")),
    "seed": (gettext_lazy("Seed"), gettext_lazy("The same seed draws the same programs.")),
    "lora": (gettext_lazy("Adapter (LoRA)"), ""),
    "layers": (
        gettext_lazy("Layers"),
        gettext_lazy("From the top; 0 is all. Fewer make a PPO update cheaper and ask for a higher learning rate."),
    ),
    "r": (gettext_lazy("Rank"), gettext_lazy("Size of the adapter.")),
    "alpha": (gettext_lazy("Alpha"), gettext_lazy("Scale of the adapter.")),
    "dropout": (gettext_lazy("Dropout"), ""),
    "reward": (gettext_lazy("Reward"), ""),
    "tests_weight": (gettext_lazy("Weight of the tests"), ""),
    "verifier_weight": (gettext_lazy("Weight of the verdicts"), gettext_lazy("Decides among equal test results.")),
    "all_pass_share": (
        gettext_lazy("Share for passing all tests"),
        gettext_lazy("Part of the tests' weight that only a program that passes all of them earns."),
    ),
    "syntax_weight": (
        gettext_lazy("Price of broken syntax"),
        gettext_lazy("How far a program that is no Python is below one that runs and fails every test."),
    ),
    "learned_weight": (
        gettext_lazy("Weight of the ratings"),
        gettext_lazy("Of the reward model, among equal tests and verdicts."),
    ),
    "learned_clip": (
        gettext_lazy("Limit of the learned reward"),
        gettext_lazy("In standard deviations, to either side."),
    ),
    "learned_pessimism": (
        gettext_lazy("Pessimism of the ratings"),
        gettext_lazy("Standard deviations between the reward model's members that are taken off its score."),
    ),
    "epochs": (gettext_lazy("Epochs"), gettext_lazy("Passes over the data.")),
    "margin": (
        gettext_lazy("Margin"),
        gettext_lazy("By how much the strongest preference must part two scores."),
    ),
    "members": (
        gettext_lazy("Members"),
        gettext_lazy("Adapters trained apart; where they disagree, the score is unsure."),
    ),
    "bagging": (
        gettext_lazy("Prompts drawn with replacement"),
        gettext_lazy("Members then differ more, and each knows less."),
    ),
    "scales_weight": (
        gettext_lazy("Weight of the scales"),
        gettext_lazy("Of learning the marks from 1 to 5 beside the preferences."),
    ),
    "weigh_annotators": (
        gettext_lazy("Weigh annotators"),
        gettext_lazy("A rating counts by its annotator's estimated reliability."),
    ),
    "held_out": (gettext_lazy("Held-out share"), gettext_lazy("Share of the prompts kept for the accuracy.")),
    "count": (gettext_lazy("Programs per prompt"), ""),
    "prompts": (gettext_lazy("Prompts"), gettext_lazy("How many are used (for an evaluation: of each split).")),
    "samples": (gettext_lazy("Answers per prompt"), gettext_lazy("More than one needs a temperature above 0.")),
    "verify": (gettext_lazy("Ask the verifier"), gettext_lazy("Tests are run in any case.")),
    "split": (gettext_lazy("Split"), ""),
    "splits": (gettext_lazy("Splits"), gettext_lazy("Separated by commas.")),
    "settings": (gettext_lazy("Decoding"), ""),
    "decoding": (gettext_lazy("Decoding"), ""),
    "max_new_tokens": (gettext_lazy("Longest program"), gettext_lazy("In tokens.")),
    "top_k": (gettext_lazy("Top k"), gettext_lazy("Draw among the k likeliest tokens; 0 means all.")),
    "top_p": (gettext_lazy("Top p"), gettext_lazy("Draw among the likeliest tokens with this probability together.")),
    "num_beams": (gettext_lazy("Beams"), ""),
    "bootstrap": (gettext_lazy("Bootstrap draws"), gettext_lazy("For the 95% intervals.")),
    "base_model": (gettext_lazy("Base model"), gettext_lazy("The model to start from.")),
    "candidate": (
        gettext_lazy("Model to compare"),
        gettext_lazy("Evaluated on the same prompts as the base model."),
    ),
    "reward_model": (gettext_lazy("Reward model"), gettext_lazy("Trained on the base model; none leaves it out.")),
    "snapshot": (gettext_lazy("Ratings"), ""),
}


def label(name: str) -> str:
    """A setting's label; its own name where it has none."""
    return str(SETTINGS[name][0]) if name in SETTINGS else name


def explanation(name: str) -> str:
    """What a setting does; empty where the label says it."""
    return str(SETTINGS[name][1]) if name in SETTINGS else ""


def range_text(limits: Mapping[str, Any]) -> str:
    """The allowed values of a setting (``training.config.setting``), such as ``above 0, at most 1``."""
    parts = []
    if limits.get("above") is not None:
        parts.append(_("above %(limit)s") % {"limit": _plain(limits["above"])})
    if limits.get("low") is not None:
        parts.append(_("at least %(limit)s") % {"limit": _plain(limits["low"])})
    if limits.get("high") is not None:
        parts.append(_("at most %(limit)s") % {"limit": _plain(limits["high"])})
    return ", ".join(parts)


_SENTENCES: tuple[tuple[re.Pattern[str], str | Promise], ...] = tuple(
    (re.compile(pattern, re.DOTALL), sentence)
    for pattern, sentence in (
        (
            r"must be 1 at temperature 0, where all answers to a prompt are the same",
            gettext_lazy("must be 1 at temperature 0, where all answers to a prompt are the same"),
        ),
        (
            r"must be above 1, or 0 to leave it out",
            gettext_lazy("must be above 1, or 0 to leave it out"),
        ),
        (r"must be a number, not '(?P<value>.*)'", gettext_lazy("must be a number, not “%(value)s”")),
        (r"must be a whole number, not '?(?P<value>.*?)'?", gettext_lazy("must be a whole number, not “%(value)s”")),
        (r"must be a finite number", gettext_lazy("must be a finite number")),
        (r"must be true or false", gettext_lazy("must be true or false")),
        (r"must be above (?P<limit>\S+), not (?P<value>\S+)", gettext_lazy("must be above %(limit)s, not %(value)s")),
        (
            r"must be at least (?P<limit>\S+), not (?P<value>\S+)",
            gettext_lazy("must be at least %(limit)s, not %(value)s"),
        ),
        (
            r"must be at most (?P<limit>\S+), not (?P<value>\S+)",
            gettext_lazy("must be at most %(limit)s, not %(value)s"),
        ),
        (r"must be one of (?P<choices>.*)", gettext_lazy("must be one of %(choices)s")),
        (r"is a reward model, which generates nothing: .*", gettext_lazy("is a reward model, which generates nothing")),
        (r"choose a model", gettext_lazy("choose a model")),
        (r"choose the supervised model to start from", gettext_lazy("choose the supervised model to start from")),
        (r"must be a supervised model", gettext_lazy("must be a supervised model")),
        (r"is not a reward model", gettext_lazy("is not a reward model")),
        (
            r"was trained on another backbone: .*",
            gettext_lazy("was trained on another backbone: choose one that was trained on the base model"),
        ),
        (
            r"is the base model itself: .*",
            gettext_lazy("is the base model itself: choose another model to compare"),
        ),
        (
            r"there are no ratings yet: .*",
            gettext_lazy("there are no ratings yet: rate some comparisons first"),
        ),
    )
)


def problem(sentence: str) -> str:
    """A problem of ``SettingsError`` in the reader's language; as it is where it isn't known here."""
    for pattern, translated in _SENTENCES:
        if match := pattern.fullmatch(sentence):
            return str(translated) % match.groupdict()
    return sentence


ALARMS: dict[str, tuple[str | Promise, str | Promise, str | Promise]] = {
    # monitor: (name, what it saw, what to do)
    "length": (
        gettext_lazy("length"),
        gettext_lazy("Programs are %(value)s times as long, or as short, as in the first updates; allowed: %(limit)s."),
        gettext_lazy("Read some. If length is what earns the reward, mend the reward or raise the KL coefficient."),
    ),
    "duplicates": (
        gettext_lazy("equal programs"),
        gettext_lazy(
            "Failing programs that are the same for prompts of different kinds: their share rose by %(points)s "
            "percentage points; allowed: %(allowed)s."
        ),
        gettext_lazy(
            "The policy no longer heeds the prompt. Read some, then lower the learning rate or raise the KL "
            "coefficient."
        ),
    ),
    "unsupported": (
        gettext_lazy("UNSUPPORTED verdicts"),
        gettext_lazy(
            "The share of verified programs with an UNSUPPORTED verdict rose by %(points)s percentage points; "
            "allowed: %(allowed)s."
        ),
        gettext_lazy("The policy may hide from the verifier. Read some, then lower the weight of the verdicts."),
    ),
    "unknown": (
        gettext_lazy("UNKNOWN verdicts"),
        gettext_lazy(
            "The share of verified programs with an UNKNOWN verdict rose by %(points)s percentage points; "
            "allowed: %(allowed)s."
        ),
        gettext_lazy("The policy may hide from the verifier. Read some, then lower the weight of the verdicts."),
    ),
    "syntax": (
        gettext_lazy("valid Python"),
        gettext_lazy("The share of valid Python fell by %(points)s percentage points; allowed: %(allowed)s."),
        gettext_lazy("The policy is breaking up: lower the learning rate or raise the KL coefficient."),
    ),
    "finished": (
        gettext_lazy("finished programs"),
        gettext_lazy(
            "The share of programs that end by themselves fell by %(points)s percentage points; allowed: %(allowed)s."
        ),
        gettext_lazy("Raise the penalty for an unfinished program or the longest length, or lower the learning rate."),
    ),
    "kl": (
        gettext_lazy("KL"),
        gettext_lazy("The KL from the supervised model is %(value)s nats per program; allowed: %(limit)s."),
        gettext_lazy("Raise the KL coefficient, steer it to a target KL, or lower the learning rate."),
    ),
    "over-optimisation": (
        gettext_lazy("over-optimisation"),
        gettext_lazy(
            "The reward rose while the share of validation tasks that pass all tests fell %(points)s percentage "
            "points below its best; allowed: %(allowed)s."
        ),
        gettext_lazy("Cancel it, or lower the weight of the ratings or the learning rate in a new run."),
    ),
}


def alarm(data: Mapping[str, Any]) -> tuple[str, str]:
    """What an alarm (``training.guards.Alarm`` as JSON) saw, and what to do, as sentences."""
    value, threshold = float(data["value"]), float(data["threshold"])
    figures = {
        "value": f"{value:.1f}",
        "limit": f"{threshold:g}",
        "points": f"{100 * value:.0f}",
        "allowed": f"{100 * threshold:.0f}",
    }
    if data["monitor"] not in ALARMS:
        return f"{data['monitor']}: {value:g}", ""
    _name, seen, advice = ALARMS[data["monitor"]]
    return str(seen) % figures, str(advice)


def _monitors(payload: Mapping[str, Any]) -> str:
    """The names of the monitors that an event is about."""
    names = [alarm["monitor"] for alarm in payload.get("alarms", [])] or payload.get("monitors", [])
    return ", ".join(str(ALARMS[name][0]) if name in ALARMS else str(name) for name in names)


def event(kind: str, payload: Mapping[str, Any]) -> str:
    """One event of a run as a sentence."""
    sentences = {
        "queued": _("Queued."),
        "claimed": _("Attempt %(attempt)s begun by %(owner)s."),
        "checkpoint": _("Checkpoint saved at step %(step)s."),
        "requeued": _("Back in the queue: %(reason)s"),
        "cancel_requested": _("%(by)s asked it to stop."),
        "paused": _("Paused by an alarm: %(monitors)s."),
        "resumed": _("Resumed by %(by)s; no longer watched: %(monitors)s."),
        "prioritised": _("Open pairs put in a new order: %(count)s."),
        "succeeded": _("Succeeded."),
        "failed": _("Failed: %(error)s"),
        "cancelled": _("Cancelled."),
    }
    missing = dict.fromkeys(("attempt", "owner", "step", "reason", "by", "error", "count"), "?")
    told = missing | dict(payload) | {"monitors": _monitors(payload)}
    return sentences.get(kind, kind.replace("%", "%%")) % told


def _plain(number: float) -> str:
    return f"{number:,.10g}".replace(",", "\N{NARROW NO-BREAK SPACE}") if abs(number) >= 10_000 else f"{number:g}"
