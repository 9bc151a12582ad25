"""The comment of a pull request that shows a plan, and carries it for the deployment after the merge. Pure functions only."""

import base64
import binascii
import json
import re
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from gitops.errors import GitOpsError
from gitops.plans import digest, reviewed_part

# GitHub refuses a comment of more characters.
LIMIT = 65_536
# Nobody writes a plan of more bytes; a comment that claims to hold one is not unpacked further.
UNPACKED_LIMIT = 8 * 1024 * 1024
_CARRIED = re.compile(r"<!-- reviewed-plan (?P<data>\{.*?\}) -->")


@dataclass(frozen=True)
class Reviewed:
    """The plan that a comment carries, and the commit that it was made of."""

    plan: Mapping[str, Any]
    revision: str


def marker(environment: str) -> str:
    """Return the line by which the comment of an environment is found again."""
    return f"<!-- plan of {environment} -->"


def body(plan: Mapping[str, Any], markdown: str, revision: str, cost: str = "") -> str:
    """Return the comment: for people what `make plan` says, for the deployment the same plan, packed, with a digest.

    Args:
        cost: what the plan costs, below it; left out where the plan leaves no room.

    Raises:
        GitOpsError: the plan is too long for a comment, so that the deployment could not find it.
    """
    packed = base64.b64encode(zlib.compress(json.dumps(reviewed_part(plan), sort_keys=True).encode(), 9)).decode()
    carried = {"revision": revision, "sha256": digest(plan), "plan": packed}
    head, tail = marker(plan["environment"]), f"<!-- reviewed-plan {json.dumps(carried)} -->"
    foot = f"Of {revision}. The merge applies this, and stops where it would change anything else."
    # What people write into a pull request, or a resource is called, cannot end the part that is for people.
    shown, cost = (text.replace("<!--", "&lt;!--").strip() for text in (markdown, cost))
    room = LIMIT - len("\n\n".join([head, "", foot, tail]))
    if room < 0:
        raise GitOpsError(
            f"the plan of {plan['environment']} is too long for a comment ({len(tail)} characters packed); merge less at once"
        )
    cost = f"\n\n{cost}" if cost and len(cost) + 2 <= room // 2 else ""
    room -= len(cost)
    if len(shown) > room:
        cut = "\n\n… cut here; the whole is in the JSON of `make plan`."
        shown = shown[: room - len(cut)].rpartition("\n")[0] + cut
    return "\n\n".join([head, shown + cost, foot, tail])


def carried(comment: str, environment: str) -> Reviewed | None:
    """Return the plan that a comment carries; None where it is no comment with a plan of the environment.

    Raises:
        GitOpsError: it carries one that is not what it was.
    """
    if not comment.startswith(marker(environment)):
        return None
    found = _CARRIED.search(comment)
    if found is None:
        return None
    try:
        data = json.loads(found["data"])
        unpacking = zlib.decompressobj()
        text = unpacking.decompress(base64.b64decode(data["plan"], validate=True), UNPACKED_LIMIT)
        plan, revision, expected = json.loads(text), str(data["revision"]), data["sha256"]
        actual = digest(plan)
    except (ValueError, KeyError, TypeError, zlib.error, binascii.Error) as error:
        raise GitOpsError(f"the comment with the plan of {environment} cannot be read: {error}") from None
    if actual != expected or plan["environment"] != environment:
        raise GitOpsError(f"the comment with the plan of {environment} was changed by hand; push again for a new one")
    return Reviewed(plan, revision)
