"""Projects and their members; prompts, model versions, samples, and what is known of each sample."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from verification.outcome import Outcome


def all_scales() -> list[str]:
    return ["correctness", "readability", "efficiency", "security"]


class Project(models.Model):
    """A place where one team rates the code of one family of models."""

    class Reveal(models.TextChoices):
        NEVER = "never", _("never")
        AFTER_SUBMIT = "after_submit", _("after the first judgement")

    slug = models.SlugField(unique=True)
    name = models.CharField(max_length=120)
    overlap = models.PositiveSmallIntegerField(default=2)
    """How many annotators rate each comparison."""
    lease_minutes = models.PositiveSmallIntegerField(default=30)
    blind = models.BooleanField(default=True)
    reveal = models.CharField(max_length=16, choices=Reveal.choices, default=Reveal.AFTER_SUBMIT)
    scales = models.JSONField(default=all_scales)
    """Which of the four scales are asked for, in order."""
    gold_every = models.PositiveSmallIntegerField(default=0)
    """One pair in so many, on average, is a gold question; 0 for none."""
    qualification = models.PositiveSmallIntegerField(default=0)
    """Gold pairs that a new annotator rates before any other; 0 for none."""
    qualification_share = models.FloatField(default=0.7)
    """The share of them that has to be right."""
    retention_days = models.PositiveIntegerField(null=True, blank=True)
    """Days after which what annotators wrote freely is erased; null to keep it."""
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [
            models.CheckConstraint(condition=Q(overlap__gte=1, lease_minutes__gte=1), name="project_sizes"),
            models.CheckConstraint(
                condition=Q(qualification_share__gte=0, qualification_share__lte=1), name="project_qualification_share"
            ),
        ]

    def __str__(self) -> str:
        return self.name


class Guideline(models.Model):
    """What annotators are asked to judge by; a new version is a new row."""

    project = models.ForeignKey(Project, on_delete=models.CASCADE, related_name="guidelines")
    version = models.PositiveIntegerField()
    language = models.CharField(max_length=8)
    text = models.TextField()
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["project", "version", "language"], name="guideline_once")]

    def __str__(self) -> str:
        return f"{self.project} {self.version} ({self.language})"


class Membership(models.Model):
    """One person's role in one project."""

    class Role(models.TextChoices):
        ANNOTATOR = "annotator", _("annotator")
        LEAD = "lead", _("lead annotator")
        ENGINEER = "engineer", _("engineer")
        ADMIN = "admin", _("admin")

    project = models.ForeignKey(Project, on_delete=models.CASCADE, related_name="memberships")
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="memberships")
    role = models.CharField(max_length=16, choices=Role.choices)
    qualified_at = models.DateTimeField(null=True, blank=True)
    """When the qualification round was passed, where the project has one."""
    failed_at = models.DateTimeField(null=True, blank=True)
    """When it was failed; a lead may let the person try again, or in."""
    consent_version = models.PositiveSmallIntegerField(default=0)
    """Which wording of the consent was agreed to; 0 for none yet."""
    consented_at = models.DateTimeField(null=True, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["project", "user"], name="membership_once")]

    def __str__(self) -> str:
        return f"{self.user}: {self.role} in {self.project}"


class Prompt(models.Model):
    """A description to be turned into code, with the task (signature, tests, properties) behind it."""

    project = models.ForeignKey(Project, on_delete=models.CASCADE, related_name="prompts")
    sha256 = models.CharField(max_length=64)
    """Of the text, signature and tests; the same task is not imported twice."""
    text = models.TextField()
    signature = models.TextField()
    entry = models.CharField(max_length=120)
    language = models.CharField(max_length=8)
    family = models.CharField(max_length=60)
    split = models.CharField(max_length=16)
    task = models.JSONField()
    """The whole task, hidden tests included: never on a page for annotators."""
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["project", "sha256"], name="prompt_once")]
        indexes = [models.Index(fields=["project", "split"], name="prompt_split")]

    def __str__(self) -> str:
        return self.text[:60]


class ModelVersion(models.Model):
    """A model, adapter or reward model on disk, known by its hash and where it came from."""

    class Kind(models.TextChoices):
        SUPERVISED = "supervised", _("supervised")
        REWARD = "reward", _("reward model")
        ALIGNED = "aligned", _("aligned")
        EXTERNAL = "external", _("from elsewhere")

    project = models.ForeignKey(Project, on_delete=models.CASCADE, related_name="model_versions")
    name = models.CharField(max_length=120)
    kind = models.CharField(max_length=16, choices=Kind.choices)
    path = models.TextField()
    sha256 = models.CharField(max_length=64)
    """Of the weights; empty, like the path, for a model that is not here."""
    parent = models.ForeignKey("self", on_delete=models.PROTECT, null=True, blank=True, related_name="children")
    run = models.OneToOneField("runs.Run", on_delete=models.PROTECT, null=True, blank=True, related_name="output")
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["project", "name"], name="model_name_once")]

    def __str__(self) -> str:
        return self.name


class Sample(models.Model):
    """One completion of one prompt by one model version."""

    prompt = models.ForeignKey(Prompt, on_delete=models.CASCADE, related_name="samples")
    model_version = models.ForeignKey(ModelVersion, on_delete=models.PROTECT, related_name="samples")
    text = models.TextField()
    sha256 = models.CharField(max_length=64)
    seed = models.BigIntegerField(default=0)
    decoding = models.JSONField(default=dict)
    finished = models.BooleanField(default=True)
    """False when the completion was cut off before its end of sequence."""
    created_at = models.DateTimeField(auto_now_add=True)
    check_sent_at = models.DateTimeField(null=True, blank=True)
    """When a worker was last asked to execute and verify it."""
    check_attempts = models.PositiveSmallIntegerField(default=0)
    checked_at = models.DateTimeField(null=True, blank=True)
    check_error = models.TextField(blank=True)
    """Why it could not be checked after all attempts; empty otherwise."""
    tokens = models.TextField(blank=True, default="")
    """What its highlighting needs to know (webapp.catalog.highlight.tokens); empty until it was checked."""

    class Meta:
        constraints = [models.UniqueConstraint(fields=["prompt", "model_version", "sha256"], name="sample_once")]
        indexes = [models.Index(fields=["checked_at", "check_sent_at"], name="sample_unchecked")]

    def __str__(self) -> str:
        return f"sample {self.pk}"


class Execution(models.Model):
    """What a sample did under one test suite."""

    class Suite(models.TextChoices):
        PUBLIC = "public", _("public tests")
        HIDDEN = "hidden", _("hidden tests")

    sample = models.ForeignKey(Sample, on_delete=models.CASCADE, related_name="executions")
    suite = models.CharField(max_length=16, choices=Suite.choices)
    environment = models.CharField(max_length=64)
    """Digest of interpreter and sandbox tier."""
    status = models.CharField(max_length=16)
    passed = models.PositiveIntegerField()
    total = models.PositiveIntegerField()
    detail = models.TextField(blank=True)
    cpu_seconds = models.FloatField(default=0)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["sample", "suite", "environment"], name="execution_once")]

    def __str__(self) -> str:
        return f"{self.sample}: {self.suite} {self.passed}/{self.total}"


class Verification(models.Model):
    """The verdict on one property of one sample."""

    sample = models.ForeignKey(Sample, on_delete=models.CASCADE, related_name="verifications")
    property = models.CharField(max_length=40)
    verifier_version = models.CharField(max_length=64)
    outcome = models.CharField(max_length=16, choices=[(item.value, item.value) for item in Outcome])
    reason = models.TextField(blank=True)
    line = models.PositiveIntegerField(null=True, blank=True)
    counterexample = models.JSONField(null=True, blank=True)
    certificate = models.JSONField(null=True, blank=True)
    assumptions = models.JSONField(default=list)
    cpu_seconds = models.FloatField(default=0)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["sample", "property", "verifier_version"], name="verification_once"),
            models.CheckConstraint(
                condition=~Q(outcome="refuted") | Q(counterexample__isnull=False), name="refuted_has_counterexample"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.sample}: {self.property} {self.outcome}"
