"""Why something can't be done about a pair; each message is for the annotator who asked."""

from __future__ import annotations

from django.utils.translation import gettext as _


class FeedbackError(Exception):
    """What the annotator asked for can't be done; the message says why and what to do."""


class NotYours(FeedbackError):
    """There is no such assignment, or it is somebody else's: the two look the same from outside."""


class SubmissionReused(FeedbackError):
    """The submission's id belongs to another rating already."""


class AlreadyRated(FeedbackError):
    """The pair has this annotator's rating already."""


class TooLate(FeedbackError):
    """What was sent can't be taken back or changed any more."""


def not_yours() -> NotYours:
    return NotYours(_("This pair is not assigned to you."))
