"""Which runs may be removed: never one that a version in production comes from, and never a version."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from bundle.registry import Store
from training.publishing.experiments import INDEX_FILE, Experiment, Experiments, prefix_of
from training.publishing.versions import list_versions


@dataclass(frozen=True)
class Plan:
    """What a prune removes.

    Attributes:
        remove: these runs; the rest of the attributes says how many stay, for which reason.
        keeps_versions: the bucket keeps what is deleted as earlier versions.
    """

    name: str
    remove: list[Experiment]
    promoted: int
    newest: int
    recent: int
    keeps_versions: bool

    @property
    def bytes(self) -> int:
        return sum(run.bytes for run in self.remove)

    @property
    def objects(self) -> int:
        return sum(len(run.keys) for run in self.remove)


def plan(store: Store, name: str, keep: int, older_than: timedelta, now: datetime | None = None) -> Plan:
    """Say which runs of a model would go.

    Args:
        keep: that many of the runs that no version comes from stay, those that changed last.
        older_than: a run whose last change is more recent stays.

    Raises:
        RegistryError: S3 refused.
    """
    experiments = Experiments(store).list(name)
    protected = promoted_runs(store, name, experiments)
    others = [run for run in experiments if run.run_id not in protected]
    limit = (now or datetime.now(UTC)) - older_than
    old = [run for run in others[keep:] if run.changed < limit]
    return Plan(
        name=name,
        remove=old,
        promoted=len(experiments) - len(others),
        newest=len(others[:keep]),
        recent=len(others[keep:]) - len(old),
        keeps_versions=store.keeps_versions(),
    )


def prune(store: Store, planned: Plan) -> list[str]:
    """Remove the planned runs, apart from those that were promoted since; return the ids of what was removed.

    Raises:
        RegistryError: S3 refused; running the same again goes on.
    """
    protected = promoted_runs(store, planned.name, planned.remove)
    removed = []
    for run in planned.remove:
        if run.run_id in protected:
            continue
        # Without its index it counts as incomplete from the first moment.
        index = prefix_of(planned.name, run.run_id) + INDEX_FILE
        if index in run.keys:
            store.delete([index])
        store.delete([key for key in run.keys if key != index])
        removed.append(run.run_id)
    return removed


def promoted_runs(store: Store, name: str, experiments: Sequence[Experiment]) -> set[str]:
    """Return the runs that a version comes from, by its record, its manifest or its digest."""
    versions = list_versions(store, name)
    runs = {version.run_id for version in versions} | {version.promotion.run_id for version in versions if version.promotion}
    digests = {version.digest for version in versions}
    same = {run.run_id for run in experiments if run.index is not None and run.index.bundle_digest in digests}
    return {run_id for run_id in runs if run_id} | same
