"""A rollback goes back through what was really served, and only to what is still there."""

import hashlib
import json
from dataclasses import replace
from datetime import timedelta
from typing import Any

import boto3
import pytest
from ansible_collections.pettracker.aws.plugins.module_utils.release_id import release_id
from click.testing import CliRunner

from bundle.keys import TrustedKeys
from bundle.loading import load
from bundle.registry import Registry
from delivery import cli
from delivery.environment import Environment, Pin
from delivery.errors import DeliveryError
from delivery.release.keys import keys_file, read
from delivery.release.record import (
    Approval,
    BillOfMaterials,
    Record,
    ReleasedImage,
    ReleasedModel,
    Verification,
    read_private_key,
    signed,
)
from delivery.release.releases import Releases
from delivery.release.rollouts import RolledOut, Rollout, candidate_of_experiment, choose, rollback_target, served
from tests.delivery.worlds import RELEASES, World, register_image


def brought(identity: str) -> RolledOut:
    return RolledOut(id=identity, recorded=True, model_name="m", model_version="1", model_digest="sha256:0", image_id="ami-1")


def history(*steps: str) -> list[Rollout]:
    """Read steps such as `a`, `<a` (a rollback to a) and `a!half done` (an outcome)."""
    found = []
    for step in steps:
        name, _, outcome = step.partition("!")
        found.append(
            Rollout(
                kind="rollback" if name.startswith("<") else "rollout",
                release=brought(name.removeprefix("<")),
                begin="2026-05-04T03:02:01+00:00",
                by="me",
                outcome=outcome or "deployed",
                reason="",
            )
        )
    return found


@pytest.mark.parametrize(
    ("steps", "expected"),
    [
        (["a", "b"], "a"),
        (["a", "b", "b"], "a"),
        (["a", "b", "c", "<b"], "a"),
        (["a", "b", "<a", "c"], "a"),
        (["a", "b", "a"], "b"),
        (["a", "b", "c!rolled back"], "a"),
        (["a", "b", "c!half done"], "b"),
        (["a", "b!not taken back"], "a"),
        (["a", "b", "<x"], "b"),
    ],
)
def test_a_rollback_goes_to_what_was_served_before(steps: list[str], expected: str) -> None:
    assert choose(history(*steps), "staging").id == expected


@pytest.mark.parametrize(
    ("steps", "told"),
    [
        ([], "nothing was rolled out to staging yet"),
        (["a!rolled back"], "nothing was rolled out to staging yet"),
        (["a"], "a is the first release that staging serves; name another with TO="),
        (["a", "b", "<a"], "a is the first release"),
    ],
)
def test_where_there_is_nothing_to_go_back_to_that_is_said(steps: list[str], told: str) -> None:
    with pytest.raises(DeliveryError, match=told):
        choose(history(*steps), "staging")


def test_the_release_that_is_served_is_the_last() -> None:
    assert [each.id for each in served(history("a", "b", "c!rolled back", "<a", "d"))] == ["a", "d"]


def recorded(world: World, version: str) -> Record:
    """Publish a model, register its image, and write the signed record of both."""
    root = world.bundle(version)
    Registry(world.environment().models_bucket).publish(root, world.public_key)
    pin = Pin("small", version, load(root).digest)
    image = register_image(pin)
    store = Releases(world.environment())
    record = Record(
        schema_version=1,
        id=release_id(pin.name, pin.version, pin.digest, image.image_id),
        environment="staging",
        time="2026-05-04T03:02:01+00:00",
        model=ReleasedModel(name=pin.name, version=version, digest=pin.digest, location="s3://models/production/"),
        image=ReleasedImage(
            id=image.image_id,
            content_digest=image.content_digest,
            base_image_id=image.base_image_id,
            base_image_name=image.base_image_name,
            code_revision=image.code_revision,
        ),
        launch_template_version=None,
        code_revision="0" * 40,
        sbom=BillOfMaterials(key=store.write_sbom(b"{}"), sha256=hashlib.sha256(b"{}").hexdigest(), components=0),
        verification=Verification(signing_key="0" * 64, test_accuracy=0.95, min_accuracy=0.9, golden_cases=1, golden="passed"),
        approval=Approval(commit=None, author="a", committer="a"),
        previous=None,
    )
    key = read_private_key(world.private_key.read_bytes(), "key", world.environment().keys)
    return store.write(record, signed(record, key))


def report(record: Record, number: int, **changes: Any) -> None:
    """Write what the role writes when it has rolled out a release."""
    model = record.model
    release = {
        **{"id": record.id, "recorded": True, "image_id": record.image.id},
        **{"model_name": model.name, "model_version": model.version, "model_digest": model.digest},
    }
    document = {
        **{"schema_version": 1, "kind": "rollout", "release": release, "checkpoints": []},
        **{"begin": f"2026-05-04T03:02:0{number}+00:00", "by": "me", "outcome": "deployed", "reason": "good"},
    }
    key = f"staging/rollouts/20260504T03020{number}Z-{record.id}.json"
    boto3.client("s3").put_object(Bucket=RELEASES, Key=key, Body=json.dumps(document | changes).encode())


@pytest.fixture
def two(world: World) -> tuple[Record, Record]:
    """Two releases, of which the second is served."""
    first, second = recorded(world, "1.0.0"), recorded(world, "1.1.0")
    report(first, 1)
    report(second, 2)
    return first, second


def test_the_release_before_is_found_and_all_of_it_verified(world: World, two: tuple[Record, Record]) -> None:
    first, second = two
    assert rollback_target(world.environment(), None).image_id == first.image.id
    assert rollback_target(world.environment(), second.id).id == second.id
    assert set(Releases(world.environment()).identities()) == {first.id, second.id}


def test_the_images_that_releases_need_are_those_served_current_last_tried_and_the_way_back(
    world: World, two: tuple[Record, Record], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("delivery.environment.read_environment", lambda _name: world.environment())
    third, fourth, fifth = (recorded(world, f"1.{number}.0") for number in (2, 3, 4))
    report(third, 3)
    report(fourth, 4, outcome="rolled back")
    Releases(world.environment()).make_current(fifth.id)
    told = CliRunner().invoke(cli.main, ["images-in-use", "--env", "staging"]).output
    assert set(json.loads(told)) == {one.image.id for one in (two[1], third, fourth, fifth)}


def test_a_deleted_image_is_no_way_back(world: World, two: tuple[Record, Record]) -> None:
    boto3.client("ec2").deregister_image(ImageId=two[0].image.id)
    with pytest.raises(DeliveryError, match=rf"cannot go back to {two[0].id}: image: ami-\w+ is not there any more"):
        rollback_target(world.environment(), None)
    with pytest.raises(DeliveryError, match=rf"{two[0].id} cannot be compared: image: ami-\w+ is not there any more"):
        candidate_of_experiment(world.environment(), two[0].id)
    assert candidate_of_experiment(world.environment(), two[1].id).image_id == two[1].image.id


def test_a_changed_record_is_no_way_back(world: World, two: tuple[Record, Record]) -> None:
    key = f"staging/{two[0].id}.json"
    s3 = boto3.client("s3")
    document = json.loads(s3.get_object(Bucket=RELEASES, Key=key)["Body"].read())
    s3.put_object(Bucket=RELEASES, Key=key, Body=json.dumps(document | {"code_revision": "another"}).encode())
    with pytest.raises(DeliveryError, match=r"the signature of .* was not made with the private key"):
        rollback_target(world.environment(), None)


def test_an_ended_key_is_a_way_back_and_a_revoked_one_is_not(
    world: World, two: tuple[Record, Record], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("delivery.environment.ROOT", world.root)
    environment, new = world.environment(), world.other_keys()[1]

    def keys(*arguments: str) -> Environment:
        """Run the command, and return the environment that trusts what it wrote."""
        done = CliRunner().invoke(cli.main, ["keys", *arguments, "--env", "staging"])
        assert done.exit_code == 0, done.output
        return replace(environment, keys=TrustedKeys(read(keys_file(world.root, "staging")), "the list"))

    rotated = keys("rotate", str(new), "--signs", "models", "--signs", "records")
    old = environment.keys.keys[0]
    assert rollback_target(rotated, None).id == two[0].id
    with pytest.raises(DeliveryError, match=f"signs would be refused: the key {old.name} ended on"):
        read_private_key(world.private_key.read_bytes(), "key", replace_day(rotated.keys))
    with pytest.raises(DeliveryError, match=r"was revoked \(it leaked\): do not roll it out"):
        rollback_target(keys("revoke", old.name, "--reason", "it leaked"), None)


def replace_day(keys: TrustedKeys) -> TrustedKeys:
    """Return the keys as they are a day after a rotation."""
    day = timedelta(days=1)
    return replace(
        keys, keys=[each.model_copy(update={"not_after": each.not_after - day}) for each in keys.keys if each.not_after]
    )


def test_a_model_that_no_trusted_key_has_signed_is_no_way_back(world: World, two: tuple[Record, Record]) -> None:
    records = world.environment().keys.keys[0].model_copy(update={"signs": ["records"]})
    environment = replace(world.environment(), keys=TrustedKeys([records], "the list"))
    told = rf"model: s3://.*/small/1\.0\.0/model\.sig: is not trusted: the key {records.name} signs records, not models"
    with pytest.raises(DeliveryError, match=told):
        rollback_target(environment, None)


def test_without_a_record_only_the_rehearsal_goes_back(world: World, two: tuple[Record, Record]) -> None:
    first, _ = two
    boto3.client("s3").delete_object(Bucket=RELEASES, Key=f"staging/{first.id}.json")
    with pytest.raises(DeliveryError, match=rf"{first.id}.json is missing; the releases are: small-1.1.0"):
        rollback_target(world.environment(), None)
    with pytest.raises(DeliveryError, match=r"nothing.json is missing"):
        rollback_target(world.environment(), "nothing")


def test_the_rehearsal_goes_back_to_what_it_has_rolled_out(world: World, two: tuple[Record, Record]) -> None:
    first, _ = two
    rehearsal = replace(world.environment(), name="local")
    s3 = boto3.client("s3")
    for key in [item["Key"] for item in s3.list_objects_v2(Bucket=RELEASES, Prefix="staging/rollouts/")["Contents"]]:
        s3.copy_object(Bucket=RELEASES, CopySource=f"{RELEASES}/{key}", Key=key.replace("staging/", "local/", 1))
    with pytest.raises(DeliveryError, match="its tag Environment is staging, not local"):
        rollback_target(rehearsal, None)
    boto3.client("ec2").create_tags(Resources=[first.image.id], Tags=[{"Key": "Environment", "Value": "local"}])
    assert rollback_target(rehearsal, None) == RolledOut(
        id=first.id,
        recorded=False,
        model_name="small",
        model_version="1.0.0",
        model_digest=first.model.digest,
        image_id=first.image.id,
    )


def test_rollouts_are_listed_with_the_reason_of_those_that_failed(
    world: World, two: tuple[Record, Record], monkeypatch: pytest.MonkeyPatch
) -> None:
    environment = world.environment()
    monkeypatch.setattr("delivery.environment.read_environment", lambda _name: environment)
    report(two[1], 3, outcome="rolled back", reason="New hosts are bad.")
    listed = CliRunner().invoke(cli.main, ["rollouts", "--env", "staging"]).output
    assert listed.count("by me") == 3
    assert "rolled back" in listed
    assert "    New hosts are bad." in listed
    lines = CliRunner().invoke(cli.main, ["rollouts", "--env", "staging", "--json"]).output.splitlines()
    assert json.loads(lines[0])["release"]["id"] == two[0].id
    target = CliRunner().invoke(cli.main, ["rollback-target", "--env", "staging"]).output
    assert json.loads(target)["id"] == two[0].id


def test_something_else_among_the_reports_is_named(world: World) -> None:
    boto3.client("s3").put_object(Bucket=RELEASES, Key="staging/rollouts/x.json", Body=b"{}")
    with pytest.raises(DeliveryError, match=r"staging/rollouts/x.json is no report of a rollout"):
        rollback_target(world.environment(), None)
