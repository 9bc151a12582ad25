"""What rollouts did to an environment, read from their reports, and which release a rollback goes to.

The role `rollout` writes a report of every rollout, also of one that was refused or taken back.
"""

from collections.abc import Iterable
from typing import Literal

from pydantic import ConfigDict, ValidationError

from bundle.registry import Store
from delivery.documents import Document, faults
from delivery.environment import Environment
from delivery.errors import DeliveryError
from delivery.release.releases import Releases, problems_of

DEPLOYED = "deployed"
# Outcomes that leave hosts of a version that is not the one recorded as served.
UNDECIDED = ("half done", "not taken back")


class RolledOut(Document):
    """What a rollout brings: the release, and whether there is a signed record of it."""

    id: str
    recorded: bool
    model_name: str
    model_version: str
    model_digest: str
    image_id: str


class Rollout(Document):
    """The part of a report that this package reads.

    Attributes:
        begin: UTC, ISO 8601.
        by: who did it.
        outcome: `deployed`, or what there is instead.
        reason: of the outcome, for people.
    """

    model_config = ConfigDict(extra="ignore")

    kind: Literal["rollout", "rollback"]
    release: RolledOut
    begin: str
    by: str
    outcome: str
    reason: str


def read_rollouts(environment: Environment) -> list[Rollout]:
    """Return the reports of an environment, oldest first. Raises DeliveryError where one is none."""
    store = Store(environment.releases_bucket)
    keys = sorted(item.key for item in store.objects(f"{environment.name}/rollouts/"))
    found = []
    for key, data in store.read_all(keys).items():
        try:
            found.append(Rollout.model_validate_json(data or b""))
        except ValidationError as error:
            raise DeliveryError(f"{store.location(key)} is no report of a rollout: {faults(error)}") from None
    return found


def served(rollouts: Iterable[Rollout]) -> list[RolledOut]:
    """Return the releases that a fleet can go back through, the one that it serves last.

    A rollback takes what came after its release off the list, so that the next one goes further back.
    """
    stack: list[RolledOut] = []
    for rollout in rollouts:
        if rollout.outcome != DEPLOYED:
            continue
        identities = [release.id for release in stack]
        if rollout.kind == "rollback" and rollout.release.id in identities:
            del stack[identities.index(rollout.release.id) + 1 :]
        elif identities[-1:] != [rollout.release.id]:
            stack.append(rollout.release)
    return stack


def choose(rollouts: list[Rollout], environment: str) -> RolledOut:
    """Return the release to which a rollback goes when nobody names one. Raises DeliveryError where there is none."""
    stack = served(rollouts)
    if not stack:
        raise DeliveryError(f"nothing was rolled out to {environment} yet, so there is nothing to go back to")
    if rollouts[-1].outcome in UNDECIDED:
        return stack[-1]
    if len(stack) == 1:
        raise DeliveryError(
            f"{stack[0].id} is the first release that {environment} serves; name another with TO=, of those that "
            f"scripts/release {environment} list shows"
        )
    return stack[-2]


def images_in_use(environment: Environment) -> list[str]:
    """Return the images that an environment cannot do without, whatever its hosts run just now.

    They are those of the release that it serves and of the one to which it goes back, of the one that was last rolled out,
    and of the release that is current and may be rolled out next. Raises DeliveryError where nobody knows, for a report or a
    record cannot be read.
    """
    rollouts, store = read_rollouts(environment), Releases(environment)
    images = {release.image_id for release in served(rollouts)[-2:]} | {each.release.image_id for each in rollouts[-1:]}
    current = store.current()
    record = store.read(current) if current else None
    return sorted(images | ({record.image.id} if record else set()))


def rollback_target(environment: Environment, identity: str | None) -> RolledOut:
    """Return the release to go back to, by default the one before that which is served; everything that it needs is there.

    Raises DeliveryError where there is none, or its record, model or image is not what was released.
    """
    rollouts = read_rollouts(environment)
    wanted = identity or choose(rollouts, environment.name).id
    found, problems = _look_up(environment, wanted, rollouts)
    if problems:
        raise DeliveryError(
            f"the fleet cannot go back to {wanted}: {problems}. Name another with TO=, or release this model again"
        )
    return found


def candidate_of_experiment(environment: Environment, identity: str) -> RolledOut:
    """Return the release that an experiment is to compare; all that it needs is there. Raises as `rollback_target` does."""
    found, problems = _look_up(environment, identity, read_rollouts(environment))
    if problems:
        raise DeliveryError(f"{identity} cannot be compared: {problems}. Name another, or release this model again")
    return found


def _look_up(environment: Environment, wanted: str, rollouts: list[Rollout]) -> tuple[RolledOut, str]:
    """Return a release, and what is wrong with its record, model or image. Without a record only the rehearsal has any."""
    store = Releases(environment)
    record = store.read(wanted)
    if record is not None:
        model = {f"model_{name}": getattr(record.model, name) for name in ("name", "version", "digest")}
        return RolledOut(id=record.id, recorded=True, image_id=record.image.id, **model), problems_of(store.verify(record))
    known = [each.release for each in rollouts if each.outcome == DEPLOYED and each.release.id == wanted]
    if not known or not environment.is_local:
        raise store.missing(wanted)
    found = known[-1].model_copy(update={"recorded": False})
    checks = {
        "model": store.model_problem(found.model_name, found.model_version, found.model_digest),
        "image": store.image_problem(found.image_id, found.model_digest),
    }
    return found, problems_of(checks)
