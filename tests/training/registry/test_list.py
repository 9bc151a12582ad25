"""What is in the registry, where it comes from, and what differs."""

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from bundle import load
from bundle.registry import Registry
from tests.bundle.small import small_bundle
from tests.training.registry.runs import BUCKET, RUN_ID, Releaser
from training.cli import main


def invoke(*arguments: str | Path) -> Result:
    result = CliRunner().invoke(main, [*map(str, arguments), "--bucket", BUCKET])
    assert result.exit_code == 0, result.output
    return result


def as_json(*arguments: str) -> Any:
    return json.loads(invoke(*arguments, "--json").stdout)


def test_versions_are_listed_with_what_they_come_from(releaser: Releaser, tmp_path: Path) -> None:
    made = releaser.publish()
    promoted = releaser.promote().promotion
    releaser.publish("second", "1.10.0", accuracy=0.9)
    releaser.promote("second")
    Registry(BUCKET).publish(small_bundle(tmp_path / "imported"))

    newest, oldest = as_json("list", "iris")
    assert (newest["version"], newest["accuracy"], newest["run_id"]) == ("1.10.0", 0.9, "second")
    assert (oldest["version"], oldest["digest"]) == ("1.0.0", made.digest)
    assert oldest["promotion"] == promoted.model_dump()
    assert [(each["name"], each["version"]) for each in as_json("list")] == [
        ("iris", "1.10.0"),
        ("iris", "1.0.0"),
        ("small", "0.1.0"),
    ]
    heading, *rows = invoke("list").stdout.splitlines()
    assert heading.split() == ["NAME", "VERSION", "DIGEST", "ACCURACY", "PROMOTED", "RUN"]
    assert rows[1].split() == ["iris", "1.0.0", made.digest[:19], "0.9625", promoted.time, RUN_ID]
    assert rows[2].split()[3:] == ["-", "-", "-"]


def test_a_version_of_an_earlier_format_is_listed_too(releaser: Releaser, s3: Any) -> None:
    old = {"schema_version": 1, "name": "iris", "version": "0.1.0", "metrics": {"test_accuracy": 0.5}}
    s3.put_object(Bucket=BUCKET, Key="production/iris/0.1.0/manifest.json", Body=json.dumps(old).encode())
    (version,) = as_json("list", "iris")
    assert (version["version"], version["accuracy"], version["run_id"]) == ("0.1.0", 0.5, None)
    refused = CliRunner().invoke(main, ["list", "iris", "0.1.0", "--lineage", "--bucket", BUCKET])
    assert refused.exit_code == 1
    assert "0.1.0 is of an earlier format, without classes, code_revision" in refused.stderr


def test_runs_are_listed_the_incomplete_too(releaser: Releaser, s3: Any) -> None:
    made = releaser.publish()
    s3.put_object(Bucket=BUCKET, Key="experiments/iris/training/checkpoints/1.safetensors", Body=b"weights")
    runs = {run["run_id"]: run for run in as_json("list", "iris", "--experiments")}
    assert (runs[RUN_ID]["status"], runs[RUN_ID]["digest"], runs[RUN_ID]["version"]) == ("published", made.digest, "1.0.0")
    assert runs[RUN_ID]["metrics"]["test_accuracy"] == 0.9625
    assert (runs["training"]["status"], runs["training"]["bytes"]) == ("training job", 7)
    rows = {line.split()[1]: line.split() for line in invoke("list", "--experiments").stdout.splitlines()}
    assert rows[RUN_ID][2:8] == ["published", "0.9625", "1.0.0", "2026-11-22T07:15:00+00:00", "9", "s"]
    assert rows["training"][2:] == ["training", "job", "-", "-", "-", "-", "7", "B"]


@pytest.mark.parametrize("promoted", [False, True])
def test_lineage_of_a_version_or_a_run(releaser: Releaser, *, promoted: bool) -> None:
    made = releaser.publish()
    label = RUN_ID
    if promoted:
        releaser.promote()
        label = "1.0.0"
    lineage = as_json("list", "iris", label, "--lineage")
    trained = made.run.lineage()
    assert lineage["run_id"] == RUN_ID
    assert (lineage["digest"], lineage["data_digest"]) == (made.digest, trained.data_digest)
    assert (lineage["git_revision"], lineage["seed"]) == (trained.git_revision, trained.seed)
    assert lineage["code_revision"] == load(made.bundle).manifest.code_revision
    assert lineage["library_versions"] == trained.library_versions
    assert lineage["parameters"]["training.batch_size"] == made.run.config().training.batch_size
    assert (lineage["promotion"] is not None) is promoted
    assert not any(key.startswith("card") for key in lineage["parameters"])
    text = invoke("list", "iris", label, "--lineage").stdout
    assert all(line == line.rstrip() for line in text.splitlines())
    assert any(line.split() == ["data_digest", trained.data_digest] for line in text.splitlines())


def test_a_diff_tells_everything_that_changed(releaser: Releaser) -> None:
    releaser.publish("first", "1.0.0")
    releaser.promote("first")
    before = load(releaser.directory / "first" / "bundle").manifest
    program = before.programs["openvino-fp32"].model_dump()
    releaser.publish(
        "second",
        "1.1.0",
        accuracy=0.975,
        overrides={"training.epochs": 99},
        classes=["no", "perhaps"],
        programs={"openvino-fp32": {**program, "tolerance": 0.02}, "openvino-int8": program},
        program="openvino-int8",
        input={"kind": "features", "names": ["a", "c"]},
        code_revision="other",
        training_data={"description": "Iris", "digest": "sha256:" + "e" * 64},
        library_versions={"torch": "2.14.0"},
    )
    found = as_json("diff", "iris", "1.0.0", "second")
    assert (found["old"]["label"], found["new"]["label"]) == ("1.0.0", "second")
    assert found["metrics"]["test_accuracy"] == {"old": 0.9625, "new": 0.975, "delta": pytest.approx(0.0125)}
    assert found["metrics"]["temperature"]["delta"] == 0
    assert found["programs"] == {"chosen": ["openvino-fp32", "openvino-int8"], "openvino-fp32.tolerance": [0.01, 0.02]}
    assert (found["programs_added"], found["programs_removed"]) == (["openvino-int8"], [])
    assert found["input"] == {"names": [["a", "b"], ["a", "c"]]}
    assert (found["classes_added"], found["classes_removed"]) == (["perhaps"], ["yes"])
    assert found["origin"]["data_digest"][1] == "sha256:" + "e" * 64
    assert found["origin"]["code_revision"] == ["none", "other"]
    assert found["library_versions"] == {"torch": ["2.13.0", "2.14.0"]}
    assert found["parameters"] == {
        "training.epochs": [as_json("list", "iris", "1.0.0", "--lineage")["parameters"]["training.epochs"], 99]
    }
    text = invoke("diff", "iris", "1.0.0", "second").stdout
    lines = [line.split() for line in text.splitlines()]
    assert ["metrics.test_accuracy", "0.9625", "0.975", "+0.0125"] in lines
    assert ["classes", "yes", "removed"] in lines
    assert ["programs", "openvino-int8", "added"] in lines


def test_a_diff_says_what_it_does_not_know(releaser: Releaser, tmp_path: Path) -> None:
    for version in ("0.1.0", "0.2.0"):
        Registry(BUCKET).publish(small_bundle(tmp_path / version, version))
    assert as_json("diff", "small", "0.1.0", "0.2.0")["parameters"] is None
    assert "not known" in invoke("diff", "small", "0.1.0", "0.2.0").stdout
    assert "are the same bundle" in invoke("diff", "small", "0.1.0", "0.1.0").stdout


def test_classes_in_another_order_are_a_change(releaser: Releaser) -> None:
    releaser.publish("first", "1.0.0")
    releaser.publish("second", "1.1.0", classes=["yes", "no"])
    found = as_json("diff", "iris", "first", "second")
    assert (found["classes_reordered"], found["classes_added"], found["classes_removed"]) == (True, [], [])


@pytest.mark.parametrize(
    ("arguments", "status", "told"),
    [
        (["diff", "iris", "1.0.0", "2.0.0"], 1, "1.0.0 is neither a version of iris in production nor a published run"),
        (["list", "iris", "no such run", "--lineage"], 1, "no such run is neither"),
        (["list", "Iris/x"], 1, "'Iris/x' is no name of a model"),
        (["list", "iris", "1.0.0"], 2, "--lineage goes with NAME VERSION"),
        (["list", "iris", "--lineage"], 2, "--lineage goes with NAME VERSION"),
    ],
)
def test_what_is_not_there_is_told_in_one_line(s3: Any, arguments: list[str], status: int, told: str) -> None:
    refused = CliRunner().invoke(main, [*arguments, "--bucket", BUCKET])
    assert refused.exit_code == status
    assert told in refused.stderr
    assert "Traceback" not in refused.output
