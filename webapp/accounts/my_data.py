"""All that is stored about one person, for that person."""

from __future__ import annotations

from typing import Any

from allauth.account.models import EmailAddress
from allauth.mfa.models import Authenticator
from allauth.socialaccount.models import SocialAccount

from webapp.accounts.models import Invitation, User
from webapp.audit.models import AuditEvent
from webapp.catalog.models import Membership
from webapp.feedback.models import Adjudication, Assignment, Rating
from webapp.review.models import Promotion, ReviewDecision
from webapp.runs.models import DatasetSnapshot, Run

Row = dict[str, Any]


def export(user: User) -> Row:
    """What the platform holds of the person, as JSON takes it. Secrets (password, one-time codes) are left out.

    Judgements are in the comparison's own order (A, B) with the side that was shown (``swapped``). What others
    said, and what tests and verifier found, is not the person's data.
    """
    return {
        "account": _account(user),
        "sign_in": _sign_in(user),
        "memberships": list(memberships(user).values(*_MEMBERSHIP)),
        "invitations_accepted": list(
            Invitation.objects.filter(accepted_by=user).values("project__slug", "role", "accepted_at").order_by("pk")
        ),
        "invitations_sent": list(
            Invitation.objects.filter(created_by=user).values("project__slug", "role", "created_at").order_by("pk")
        ),
        "assignments": list(
            Assignment.objects.filter(annotator=user).values("comparison__project__slug", *_ASSIGNMENT).order_by("pk")
        ),
        "ratings": [_rating(rating) for rating in _ratings(user)],
        "adjudications": list(
            Adjudication.objects.filter(decided_by=user)
            .values("comparison", "preference", "unusable", "reason", "decided_at")
            .order_by("pk")
        ),
        "review_decisions": list(
            ReviewDecision.objects.filter(reviewer=user)
            .values("sample", "decision", "reason", "created_at")
            .order_by("pk")
        ),
        "promotions_requested": list(
            Promotion.objects.filter(requested_by=user).values("model_version", "requested_at").order_by("pk")
        ),
        "promotions_approved": list(
            Promotion.objects.filter(approved_by=user).values("model_version", "approved_at").order_by("pk")
        ),
        "runs_launched": list(
            Run.objects.filter(created_by=user).values("id", "project__slug", "kind", "created_at").order_by("pk")
        ),
        "snapshots_taken": list(
            DatasetSnapshot.objects.filter(created_by=user)
            .values("id", "project__slug", "sha256", "created_at")
            .order_by("pk")
        ),
        "audit_events": list(
            AuditEvent.objects.filter(actor=user)
            .values("action", "target", "payload", "project__slug", "created_at")
            .order_by("pk")
        ),
    }


def memberships(user: User) -> Any:
    return Membership.objects.filter(user=user).select_related("project").order_by("project__name", "pk")


_MEMBERSHIP = (
    "project__slug",
    "project__name",
    "role",
    "created_at",
    "consent_version",
    "consented_at",
    "qualified_at",
    "failed_at",
)
_ASSIGNMENT = (
    "id",
    "comparison",
    "state",
    "swapped",
    "leased_at",
    "expires_at",
    "draft",
    "skip_reason",
    "flag",
    "flag_resolved_at",
)


def _account(user: User) -> Row:
    names = ("id", "username", "pseudonym", "email", "first_name", "last_name", "language", "simulated")
    dates = ("date_joined", "last_login")
    return {name: getattr(user, name) for name in (*names, *dates)}


def _sign_in(user: User) -> Row:
    return {
        "email_addresses": list(EmailAddress.objects.filter(user=user).values("email", "verified", "primary")),
        "second_factors": list(Authenticator.objects.filter(user=user).values("type", "created_at", "last_used_at")),
        "organisation_accounts": list(
            SocialAccount.objects.filter(user=user).values("provider", "uid", "extra_data", "date_joined", "last_login")
        ),
    }


def _ratings(user: User) -> Any:
    rows = Rating.objects.filter(annotator=user).select_related("comparison__project", "assignment", "revision")
    return rows.prefetch_related("comments").order_by("pk").iterator(chunk_size=500)


def _rating(rating: Rating) -> Row:
    names = (
        "id",
        "preference",
        "unusable",
        "scales_a",
        "scales_b",
        "rationale",
        "edited_a",
        "edited_b",
        "guideline_version",
        "seconds",
        "surplus",
        "simulated",
        "created_at",
    )
    revision = getattr(rating, "revision", None)
    return {
        "project": rating.comparison.project.slug,
        "comparison": rating.comparison_id,
        "assignment": rating.assignment_id,
        "swapped": rating.assignment.swapped,
        **{name: getattr(rating, name) for name in names},
        "comments": [
            {"side": comment.side, "line": comment.line, "text": comment.text} for comment in rating.comments.all()
        ],
        "revision": revision
        and {
            "preference": revision.preference,
            "unusable": revision.unusable,
            "reason": revision.reason,
            "created_at": revision.created_at,
        },
    }
