"""The comment of a pull request that shows a plan, and the review that says which plan it shows. Pure functions only."""

import json
import sys
from collections.abc import Mapping
from typing import Any

from ansible_collections.pettracker.aws.plugins.module_utils.plan.changes import Plan, as_json, checked, from_json
from ansible_collections.pettracker.aws.plugins.module_utils.plan.text import markdown
from pydantic import TypeAdapter, ValidationError

from delivery.documents import Document, faults
from delivery.errors import DeliveryError
from delivery.plan.decision import reviewed_part

# GitHub refuses a comment of more characters, and a job's summary of more than 1 MiB:
# https://docs.github.com/actions/reference/workflows-and-actions/workflow-commands#job-summaries
LIMIT = 65_536
SUMMARY_LIMIT = 1024 * 1024
# Nobody makes a plan of more bytes; an artefact that claims to hold one is not unpacked further.
PLAN_LIMIT = 8 * 1024 * 1024


class Review(Document):
    """What a job of the main branch has shown to people, written down by it.

    Attributes:
        plan: what is reviewed of it (`plans.reviewed_part`).
        revision: the commit that it is of.
        number: the pull request; None where nobody was shown it on GitHub.
        comment: number of the comment.
        text: of the comment, as GitHub has taken it.
    """

    environment: str
    revision: str
    plan: dict[str, Any]
    number: int | None = None
    comment: int | None = None
    text: str = ""


def marker(environment: str) -> str:
    """Return the line by which the comment of an environment is found again."""
    return f"<!-- plan of {environment} -->"


def read_plan(data: bytes, environment: str) -> dict[str, Any]:
    """Return a plan that somebody else's code has written, if it is one, with nothing in it that is not shown.

    Whether a value is unknown, and whether the plan is complete, is not taken from it but found out anew. Raises DeliveryError
    where it is none, or of another environment.
    """
    try:
        document = json.loads(data)
        parts = ("environment", "changes", "resources", "problems", "unmanaged")
        plan = TypeAdapter(Plan).validate_python({name: document[name] for name in parts})
        made: dict[str, Any] = json.loads(json.dumps(as_json(checked(plan)), ensure_ascii=False).encode())
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        reason = faults(error) if isinstance(error, ValidationError) else type(error).__name__
        raise DeliveryError(f"the plan of {environment} cannot be read ({reason}); push again for a new one") from None
    if made["environment"] != environment:
        raise DeliveryError(f"what should be the plan of {environment} is one of {made['environment']!r}")
    return made


def read_review(data: bytes, environment: str) -> Review:
    """Return a review of an environment. Raises DeliveryError where it is none."""
    try:
        review = Review.model_validate_json(data)
    except ValidationError as error:
        raise DeliveryError(f"the review of {environment} cannot be read: {faults(error)}") from None
    if (review.environment, review.plan.get("environment")) != (environment, environment):
        raise DeliveryError(f"the review is of {review.environment}, not of {environment}")
    return review


def body(
    plan: Mapping[str, Any], rails: str, cost: str, revision: str, *, limit: int = LIMIT, whole_at: str = "make plan says all"
) -> str:
    """Return the comment. All that a plan changes is in it, or it says what is not, and where that is.

    Args:
        plan: the JSON of `make plan`.
        rails: what the guard rails say, above it.
        cost: what it costs, below it; left out where the plan leaves no room.
        whole_at: where all of it can be read.
    """
    head = marker(plan["environment"])
    foot = f"Of {revision}. The merge applies this, and stops where it would change anything else."
    room = limit - len("\n\n".join([head, rails, "", "", foot]))
    cost = cost if len(cost) <= room // 2 else ""
    shown = markdown(from_json(plan), "Plan", room - len(cost), whole_at).strip()
    return "\n\n".join(part for part in (head, rails, shown, cost, foot) if part)


def whole(plan: Mapping[str, Any], rails: str, cost: str, revision: str) -> str:
    """Return all of it. Raises DeliveryError where that is more than GitHub shows, so that nobody could read what is merged."""
    text = body(plan, rails, cost, revision, limit=sys.maxsize)
    if len(text.encode()) > SUMMARY_LIMIT:
        raise DeliveryError(
            f"the plan of {plan['environment']} has {len(text.encode()):,} bytes, and GitHub shows {SUMMARY_LIMIT:,} at most; "
            "merge less at once"
        )
    return text


def review_of(plan: Mapping[str, Any], revision: str) -> Review:
    """Return the review of a plan that is shown to nobody but who made it."""
    return Review(environment=plan["environment"], revision=revision, plan=reviewed_part(plan))
