"""A release from a signed bundle to a verified record, in an emulated account. The gate's hosts are the rehearsal's to test."""

import hashlib
import json
import os
import subprocess
from dataclasses import replace
from typing import Any

import boto3
import pytest
from click.testing import CliRunner

from bundle import load
from delivery import cli
from delivery.environment import Environment, Pin
from delivery.errors import DeliveryError
from delivery.release import steps
from delivery.release.gate import Image
from delivery.release.proposal import Proposal
from delivery.release.releases import Releases
from delivery.release.steps import Released, Request, current_record, release
from tests.delivery.worlds import RELEASES, REPOSITORY, World, git, register_image


@pytest.fixture
def gated(monkeypatch: pytest.MonkeyPatch) -> list[Pin]:
    """Let every candidate pass whose image this account registers; what passed is in the list."""
    passed: list[Pin] = []

    def passes(_environment: Environment, pin: Pin) -> Image:
        passed.append(pin)
        return register_image(pin)

    monkeypatch.setattr(steps, "pass_gate", passes)
    return passed


def run(world: World, model: str | None = None, **more: Any) -> Released | Proposal:
    return release(Request("staging", model, key_file=world.private_key, root=world.root, **more), lambda _: None)


def released(world: World, version: str = "1.0.0", **more: Any) -> Released:
    """Release a version: propose, merge, record."""
    proposal = run(world, str(world.bundle(version)), **more)
    assert isinstance(proposal, Proposal)
    git(world.root, "merge", "--quiet", "--ff-only", proposal.branch)
    git(world.root, "push", "--quiet", "origin", "main")
    done = run(world)
    assert isinstance(done, Released)
    return done


def test_a_release_waits_for_its_merge_and_is_then_recorded(world: World, gated: list[Pin]) -> None:
    proposal = run(world, str(world.bundle()))
    assert isinstance(proposal, Proposal)
    assert Releases(world.environment()).current() is None
    git(world.root, "merge", "--quiet", "--ff-only", proposal.branch)
    git(world.root, "push", "--quiet", "origin", "main")

    done = run(world)

    assert isinstance(done, Released)
    record, environment = done.record, world.environment()
    assert done.changed
    assert (record.model.name, record.model.version, record.model.digest) == (
        "small",
        "1.0.0",
        environment.pin and environment.pin.digest,
    )
    assert record.code_revision == git(world.root, "rev-parse", "HEAD") == record.approval.commit
    assert (record.approval.author, record.previous) == ("A Person <person@example.org>", None)
    assert record.launch_template_version is None
    assert (record.verification.golden_cases, record.verification.test_accuracy) == (1, 0.95)
    parameter = boto3.client("ssm").get_parameter(Name="/pettracker/staging/release/current")["Parameter"]["Value"]
    assert parameter == f"s3://{RELEASES}/staging/{record.id}.json"
    assert current_record(environment) == record
    assert not any(Releases(environment).verify(record).values())


def test_a_second_run_changes_nothing(world: World, gated: list[Pin]) -> None:
    first = released(world)
    before = stored()
    again = run(world)
    assert isinstance(again, Released)
    assert (again.record, again.changed, stored()) == (first.record, False, before)


def test_an_interrupted_release_is_finished_by_the_next_run(world: World, gated: list[Pin]) -> None:
    first = released(world)
    boto3.client("ssm").delete_parameter(Name="/pettracker/staging/release/current")
    again = run(world)
    assert isinstance(again, Released)
    assert (again.record, again.changed) == (first.record, True)
    assert Releases(world.environment()).current() == first.record.id


def test_the_next_release_names_the_one_before_and_a_release_may_go_back(world: World, gated: list[Pin]) -> None:
    first, second = released(world, "1.0.0"), released(world, "1.1.0")
    assert second.record.previous == first.record.id
    back = run(world, "small:1.0.0", allow_downgrade=True)
    assert isinstance(back, Proposal)
    with pytest.raises(DeliveryError, match="give --allow-downgrade"):
        run(world, "small:1.0.0")


def test_the_pull_request_says_what_changes(world: World, gated: list[Pin]) -> None:
    released(world, "1.0.0")
    proposal = run(world, str(world.bundle("1.1.0", accuracy=0.97)))
    assert isinstance(proposal, Proposal)
    body = (world.root / ".cache/releases/release-small-1.1.0-staging.md").read_text()
    assert "| version | 1.0.0 | 1.1.0 |" in body
    assert "| test_accuracy | 0.95 | 0.97 |" in body
    assert f"`{gated[-1].digest}`" in body
    assert "production/small/1.1.0/MODEL_CARD.md" in body


def test_a_candidate_that_fails_its_golden_set_is_not_pinned(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    # The playbook ends with an error: there is no ansible-playbook to make hosts with in this clone.
    with pytest.raises(DeliveryError, match=r"did not pass the golden-set gate on a host of staging .* nothing is pinned"):
        run(world, str(world.bundle()))
    assert git(world.root, "branch", "--list", "release/*") == ""
    assert Releases(world.environment()).current() is None


def test_another_key_is_refused_before_the_gate(world: World, gated: list[Pin]) -> None:
    released(world)
    gated.clear()
    request = Request("staging", None, key_file=world.other_keys()[0], root=world.root)
    with pytest.raises(DeliveryError, match="signs would be refused: the key"):
        release(request, lambda _: None)
    with pytest.raises(DeliveryError, match="there is no key to sign the release record with"):
        release(replace(request, key_file=None), lambda _: None)
    assert gated == []


def test_nothing_pinned_and_nothing_named_is_refused(world: World) -> None:
    with pytest.raises(DeliveryError, match="no model is pinned in staging yet: give MODEL="):
        run(world)


def test_a_dirty_tree_is_refused_before_anything_is_published(world: World) -> None:
    (world.root / "inventories/staging/more.yml").write_text("x: 1\n")
    with pytest.raises(DeliveryError, match="the work tree has 1 changes"):
        run(world, str(world.bundle()))
    assert stored() == {}


@pytest.mark.parametrize(
    ("damage", "subject"),
    [
        (lambda record: put(RELEASES, record.sbom.key, b"{}"), "bill of materials"),
        (lambda record: put(record.model.location[5:].split("/")[0], "production/small/1.0.0/manifest.json", b"{}"), "model"),
        (lambda record: boto3.client("ec2").deregister_image(ImageId=record.image.id), "image"),
    ],
)
def test_what_a_record_names_is_verified_before_it_is_used(world: World, gated: list[Pin], damage: Any, subject: str) -> None:
    record = released(world).record
    damage(record)
    checks = Releases(world.environment()).verify(record)
    assert {checked for checked, problem in checks.items() if problem} == {subject}


def test_a_changed_record_is_refused(world: World, gated: list[Pin], monkeypatch: pytest.MonkeyPatch) -> None:
    record = released(world).record
    key = f"staging/{record.id}.json"
    document = json.loads(boto3.client("s3").get_object(Bucket=RELEASES, Key=key)["Body"].read())
    put(RELEASES, key, json.dumps({**document, "code_revision": "another"}).encode())
    with pytest.raises(DeliveryError, match=r"the signature of .* was not made with the private key"):
        current_record(world.environment())


def test_a_release_is_shown_verified_and_listed(world: World, gated: list[Pin], monkeypatch: pytest.MonkeyPatch) -> None:
    record = released(world).record
    for name in ("Makefile", "scripts", ".venv", "delivery", "bundle"):
        (world.root / name).symlink_to(REPOSITORY / name)
    # Everything is set up where tests run.
    command = ["make", "--silent", "--old-file=setup", "release-show", "ENV=staging"]
    shown = subprocess.run(command, cwd=world.root, capture_output=True, text=True, check=False)
    assert shown.returncode == 0, shown.stdout + shown.stderr
    assert "small 1.0.0" in shown.stdout
    assert "ready for rollout" in shown.stdout
    assert shown.stdout.splitlines()[-1] == f"verified: {record.id}"
    environment = world.environment()
    monkeypatch.setattr("delivery.environment.read_environment", lambda _name: environment)
    assert CliRunner().invoke(cli.main, ["list", "--env", "staging"]).output == f"* {record.id}\n"

    boto3.client("ec2").deregister_image(ImageId=record.image.id)
    broken = CliRunner().invoke(cli.main, ["verify", "--env", "staging"])
    assert broken.exit_code == 1
    assert "do not roll it out" in broken.output


def test_the_bill_of_materials_names_what_is_on_a_host(world: World, gated: list[Pin]) -> None:
    content = hashlib.sha256(load(world.bundle()).digest.encode()).hexdigest()
    packages = [{"name": "libc6", "version": "2.36-9", "arch": "amd64", "source": "apt"}]
    put(RELEASES, f"images/{content}/packages.json", json.dumps(packages).encode())
    record = released(world).record
    sbom = json.loads(boto3.client("s3").get_object(Bucket=RELEASES, Key=record.sbom.key)["Body"].read())
    assert (sbom["bomFormat"], sbom["specVersion"]) == ("CycloneDX", "1.6")
    assert {item["purl"] for item in sbom["components"]} == {
        "pkg:pypi/numpy@2.4.6",
        "pkg:pypi/tornado@6.6.1",
        "pkg:deb/debian/libc6@2.36-9?arch=amd64",
        "pkg:generic/small@1.0.0",
    }
    assert record.sbom.components == 4


def put(bucket: str, key: str, body: bytes) -> None:
    boto3.client("s3").put_object(Bucket=bucket, Key=key, Body=body)


def stored() -> dict[str, str]:
    """Return the digest of every object in both buckets, by key, without the archives that the gate publishes."""
    s3 = boto3.client("s3")
    found = {
        item["Key"]: item["ETag"]
        for bucket in s3.list_buckets()["Buckets"]
        for item in s3.list_objects_v2(Bucket=bucket["Name"]).get("Contents", [])
    }
    return {key: digest for key, digest in found.items() if not key.startswith("wheelhouse/")}


def test_nothing_that_a_release_starts_inherits_the_key(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[tuple[str | None, bool]] = []

    def fail(request: Request, _say: object) -> None:
        seen.append((request.key_text, "RELEASE_SIGNING_KEY" in os.environ))
        raise DeliveryError("enough")

    monkeypatch.setattr(steps, "release", fail)
    monkeypatch.setenv("RELEASE_SIGNING_KEY", "the key")
    assert CliRunner().invoke(cli.main, ["run", "--env", "staging"]).exit_code == 1
    assert seen == [("the key", False)]
