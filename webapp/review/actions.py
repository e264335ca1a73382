"""Deciding on samples, and promoting model versions by two people."""

from __future__ import annotations

from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from webapp.accounts.models import User
from webapp.audit.actions import record
from webapp.catalog.models import ModelVersion, Sample
from webapp.review.models import Promotion, ReviewDecision

Decision = ReviewDecision.Decision
SERVABLE = (ModelVersion.Kind.SUPERVISED, ModelVersion.Kind.ALIGNED)


class ReasonMissing(ValueError):
    """A sample can't be rejected without a reason."""


class PromotionRefused(Exception):
    """The promotion can't be requested or approved; the message says why, in the reader's language."""


@transaction.atomic
def decide(sample: Sample, decision: str, *, by: User, reason: str = "") -> ReviewDecision:
    """Approve a sample, or reject it for a reason. Earlier decisions stay in its history."""
    chosen, reason = Decision(decision), reason.strip()
    if chosen == Decision.REJECTED and not reason:
        raise ReasonMissing("a rejection needs a reason: say what is wrong with the program")
    made = ReviewDecision.objects.create(sample=sample, reviewer=by, decision=chosen, reason=reason)
    project = sample.prompt.project
    record(f"sample.{chosen}", actor=by, project=project, target=sample, decision_id=made.pk, reason=reason)
    return made


@transaction.atomic
def request_promotion(model: ModelVersion, *, by: User) -> Promotion:
    """Ask that the model version be served; a second person has to approve."""
    if model.kind not in SERVABLE:
        raise PromotionRefused(_("A reward model is not served: choose a supervised or aligned model."))
    # Two requests at once wait for one another here, so that the second sees the first.
    ModelVersion.objects.select_for_update(no_key=True).get(pk=model.pk)
    if Promotion.objects.filter(model_version=model, approved_by=None).exists():
        raise PromotionRefused(_("A promotion of this model is waiting for approval already."))
    promotion = Promotion.objects.create(model_version=model, requested_by=by)
    record("promotion.requested", actor=by, project=model.project, target=model, promotion_id=promotion.pk)
    return promotion


@transaction.atomic
def approve_promotion(promotion: Promotion, *, by: User) -> Promotion:
    """Approve somebody else's request."""
    if promotion.requested_by_id == by.pk:
        raise PromotionRefused(_("A second person has to approve: you requested this promotion yourself."))
    waiting = Promotion.objects.filter(pk=promotion.pk, approved_by=None).exclude(requested_by=by)
    if not waiting.update(approved_by=by, approved_at=timezone.now()):
        raise PromotionRefused(_("This promotion has been approved already."))
    promotion.refresh_from_db()
    model = promotion.model_version
    record("promotion.approved", actor=by, project=model.project, target=model, promotion_id=promotion.pk)
    return promotion
