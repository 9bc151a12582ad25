"""Old runs go; versions, and the runs that they come from, stay."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from click.testing import CliRunner, Result

from bundle import RegistryError
from bundle.registry import Registry, Store
from tests.training.registry.runs import BUCKET, Releaser
from training.cli import main
from training.publishing.errors import PublishingError
from training.publishing.experiments import Experiments
from training.publishing.retention import plan, prune

WEEK = timedelta(days=7)


@pytest.fixture
def runs(releaser: Releaser) -> Releaser:
    """Four runs, of which the first was promoted."""
    for number in range(1, 5):
        releaser.publish(f"run-{number}", f"1.{number}.0")
    releaser.promote("run-1")
    return releaser


def later() -> datetime:
    return datetime.now(UTC) + 2 * WEEK


def remaining(store: Store) -> set[str]:
    return {run.run_id for run in Experiments(store).list("iris")}


def names(found: Any) -> list[str]:
    return [run.run_id for run in found.remove]


def invoke(*arguments: str, answer: str | None = None) -> Result:
    return CliRunner().invoke(main, ["prune", *arguments, "--bucket", BUCKET], input=answer)


def test_only_old_runs_that_nothing_comes_from_are_planned(runs: Releaser) -> None:
    found = plan(runs.store, "iris", 1, WEEK, later())
    assert names(found) == ["run-3", "run-2"]
    assert (found.promoted, found.newest, found.recent) == (1, 1, 0)
    assert names(plan(runs.store, "iris", 0, WEEK, later())) == ["run-4", "run-3", "run-2"]
    recent = plan(runs.store, "iris", 1, WEEK)
    assert (names(recent), recent.recent) == ([], 2)


def test_the_run_of_a_version_stays_without_its_record(runs: Releaser) -> None:
    runs.store.delete(["production/iris/1.1.0.promotion.json"])
    assert "run-1" not in names(plan(runs.store, "iris", 0, WEEK, later()))


def test_what_is_pruned_is_gone_and_the_rest_is_untouched(runs: Releaser) -> None:
    production = runs.store.objects("production/")
    kept = runs.store.objects("experiments/iris/run-1/")
    assert prune(runs.store, plan(runs.store, "iris", 1, WEEK, later())) == ["run-3", "run-2"]
    assert remaining(runs.store) == {"run-1", "run-4"}
    assert runs.store.objects("production/") == production
    assert runs.store.objects("experiments/iris/run-1/") == kept
    assert Registry(runs.store).versions("iris") == ["1.1.0"]


def test_a_run_that_is_promoted_after_it_was_planned_stays(runs: Releaser) -> None:
    planned = plan(runs.store, "iris", 0, WEEK, later())
    runs.promote("run-3")
    assert prune(runs.store, planned) == ["run-4", "run-2"]
    assert remaining(runs.store) == {"run-1", "run-3"}


def test_a_prune_that_breaks_off_leaves_no_half_run_that_looks_whole(runs: Releaser, monkeypatch: pytest.MonkeyPatch) -> None:
    real = Store.delete
    calls: list[list[str]] = []

    def delete(self: Store, keys: list[str]) -> None:
        if len(calls) == 1:
            raise RegistryError("gone")
        calls.append(keys)
        real(self, keys)

    planned = plan(runs.store, "iris", 2, WEEK, later())
    monkeypatch.setattr(Store, "delete", delete)
    with pytest.raises(RegistryError, match="gone"):
        prune(runs.store, planned)
    monkeypatch.undo()
    (half,) = [run for run in Experiments(Store(BUCKET)).list("iris") if run.run_id == "run-2"]
    assert half.status == "incomplete"
    assert prune(runs.store, plan(runs.store, "iris", 2, WEEK, later())) == ["run-2"]


def test_a_path_below_a_run_is_no_name(runs: Releaser) -> None:
    with pytest.raises(PublishingError, match="is no name of a model"):
        plan(runs.store, "iris/run-1", 0, WEEK, later())


def test_the_command_shows_asks_and_says_what_a_versioned_bucket_keeps(runs: Releaser, s3: Any) -> None:
    arguments = ("iris", "--keep", "1", "--older-than", "0")
    before = remaining(runs.store)
    dry = invoke(*arguments, "--dry-run")
    assert (dry.exit_code, remaining(runs.store)) == (0, before)
    assert "2 runs to remove" in dry.stdout
    assert f"{BUCKET} keeps versions: each object gets a delete marker" in dry.stdout
    assert "run-2" in dry.stdout and "run-4" not in dry.stdout
    declined = invoke(*arguments, answer="n\n")
    assert (declined.exit_code, remaining(runs.store)) == (1, before)
    assert invoke(*arguments, answer="").exit_code == 1
    done = invoke(*arguments, answer="y\n")
    assert done.stdout.endswith("removed: 2 runs\n")
    assert remaining(runs.store) == {"run-1", "run-4"}
    # As it said: the bytes are still there.
    assert any("/run-2/" in item["Key"] for item in s3.list_object_versions(Bucket=BUCKET)["Versions"])


def test_the_command_does_not_ask_with_yes_and_needs_it_for_json(runs: Releaser, s3: Any) -> None:
    s3.create_bucket(Bucket="plain-bucket")
    arguments = ("iris", "--keep", "0", "--older-than", "0", "--json")
    assert invoke(*arguments).exit_code == 2
    document = json.loads(invoke(*arguments, "--yes").stdout)
    assert document["removed"] == ["run-4", "run-3", "run-2"]
    assert document["keeps_versions"] is True
    assert Store("plain-bucket").keeps_versions() is False
    again = invoke("iris", "--keep", "0", "--older-than", "0")
    assert (again.exit_code, remaining(runs.store)) == (0, {"run-1"})
    assert "0 runs to remove" in again.stdout
