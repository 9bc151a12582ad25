"""What is changed by hand at an image or its snapshot is named alone, and one apply repairs it; what was forgotten is told."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from ansible_collections.pettracker.aws.plugins.module_utils.kinds.image import Image
from ansible_collections.pettracker.aws.plugins.module_utils.kinds.instance import Instance
from ansible_collections.pettracker.aws.plugins.module_utils.kinds.kind import Scope
from ansible_collections.pettracker.aws.plugins.module_utils.kinds.snapshot import Snapshot
from ansible_collections.pettracker.aws.plugins.module_utils.kinds.volume import Volume

from localcloud import backends
from tests.plan.conftest import account, client, served  # noqa: F401 - fixtures
from tests.plan.world import TAGS, World

Client = Callable[[str], Any]
OWNER = {name: TAGS[name] for name in ("Project", "Environment")}
OTHERS = OWNER | {"Environment": "production"}
NAME = "pettracker-dev-0f3c"
STRANGER = "210987654321"
ORGANIZATION = "arn:aws:organizations::210987654321:organization/o-abcdefghij"
UNIT = "arn:aws:organizations::210987654321:ou/o-abcdefghij/ou-ab12-cdefghij"
NOW = datetime.now(UTC)


def pairs(tags: dict[str, str]) -> list[dict[str, str]]:
    return [{"Key": key, "Value": value} for key, value in tags.items()]


@dataclass
class Hand:
    """A person with administrator's credentials, and the image and the snapshot that an environment has."""

    ec2: Any
    image: str
    snapshot: str

    def share(self, **permission: str) -> None:
        self.ec2.modify_image_attribute(ImageId=self.image, LaunchPermission={"Add": [permission]})

    def share_snapshot(self, **to: list[str]) -> None:
        given = {"Attribute": "createVolumePermission", "OperationType": "add"}
        self.ec2.modify_snapshot_attribute(SnapshotId=self.snapshot, **given, **to)


def image(ec2: Any, name: str, tags: dict[str, str]) -> Hand:
    identity = ec2.register_image(Name=name, RootDeviceName="/dev/xvda")["ImageId"]
    (found,) = ec2.describe_images(ImageIds=[identity])["Images"]
    snapshot = found["BlockDeviceMappings"][0]["Ebs"]["SnapshotId"]
    ec2.create_tags(Resources=[identity, snapshot], Tags=pairs(tags))
    return Hand(ec2, identity, snapshot)


@pytest.fixture
def hand(client: Client) -> Hand:  # noqa: F811 - the fixture above
    return image(client("ec2"), NAME, OWNER)


@pytest.fixture
def world(client: Client, hand: Hand) -> World:  # noqa: F811 - the fixture above
    made = World({"machine_images": {"tags": OWNER}}, client)
    assert made.plan() == []
    return made


def public_and_shared(hand: Hand) -> None:
    hand.share(Group="all")
    hand.share(UserId=STRANGER)


def instance_types(hand: Hand) -> None:
    given = {"UnsupportedInstanceTypes": ["c5.*"]}
    hand.ec2.replace_image_instance_type_specification(ImageId=hand.image, InstanceTypeSpecification=given)


def disabled_and_deprecated(hand: Hand) -> None:
    hand.ec2.enable_image_deprecation(ImageId=hand.image, DeprecateAt=NOW + timedelta(days=90))
    hand.ec2.disable_image(ImageId=hand.image)


def protected_and_public(hand: Hand) -> None:
    hand.ec2.enable_image_deregistration_protection(ImageId=hand.image)
    hand.share(Group="all")


def snapshot_for_two(hand: Hand) -> None:
    hand.share_snapshot(UserIds=[STRANGER])
    hand.share_snapshot(GroupNames=["all"])


SNAPSHOT = "snapshot {snapshot}"
CASES: list[tuple[Callable[[Hand], Any], str, set[str]]] = [
    (lambda hand: hand.share(Group="all"), f"image {NAME}", {"launch_permissions"}),
    (lambda hand: hand.share(UserId=STRANGER), f"image {NAME}", {"launch_permissions"}),
    (lambda hand: hand.share(OrganizationArn=ORGANIZATION), f"image {NAME}", {"launch_permissions"}),
    (lambda hand: hand.share(OrganizationalUnitArn=UNIT), f"image {NAME}", {"launch_permissions"}),
    (public_and_shared, f"image {NAME}", {"launch_permissions"}),
    (lambda hand: hand.ec2.disable_image(ImageId=hand.image), f"image {NAME}", {"enabled"}),
    (
        lambda hand: hand.ec2.enable_image_deprecation(ImageId=hand.image, DeprecateAt=NOW + timedelta(days=1)),
        f"image {NAME}",
        {"deprecation_time"},
    ),
    (instance_types, f"image {NAME}", {"instance_type_specification.UnsupportedInstanceTypes"}),
    (disabled_and_deprecated, f"image {NAME}", {"enabled", "deprecation_time"}),
    (protected_and_public, f"image {NAME}", {"launch_permissions"}),
    (lambda hand: hand.share_snapshot(GroupNames=["all"]), SNAPSHOT, {"create_volume_permissions"}),
    (lambda hand: hand.share_snapshot(UserIds=[STRANGER]), SNAPSHOT, {"create_volume_permissions"}),
    (snapshot_for_two, SNAPSHOT, {"create_volume_permissions"}),
]


@pytest.mark.parametrize(("change", "resource", "fields"), CASES)
def test_a_change_by_hand_is_named_alone_and_one_apply_repairs_it(
    world: World, hand: Hand, change: Callable[[Hand], Any], resource: str, fields: set[str]
) -> None:
    change(hand)
    expected = {(resource.format(snapshot=hand.snapshot), field) for field in fields}
    assert {(one.resource, item.path) for one in world.plan() for item in one.fields} == expected
    world.apply()
    assert world.plan() == []


def test_a_plan_says_who_may_use_an_image(world: World, hand: Hand) -> None:
    public_and_shared(hand)
    ((field,),) = [one.fields for one in world.plan()]
    assert (field.before, field.after) == ([STRANGER, "all"], [])


def test_images_of_others_and_images_in_the_making_are_left_alone(world: World, hand: Hand) -> None:
    strange, unfinished = image(hand.ec2, "strange", OTHERS), image(hand.ec2, "unfinished", OWNER)
    strange.share(Group="all")
    strange.share_snapshot(GroupNames=["all"])
    unfinished.share(Group="all")
    backends.ec2().amis[unfinished.image].state = "pending"
    assert world.plan() == []
    assert world.results["machine_images"]["managed"] == {"image": [hand.image], "snapshot": [hand.snapshot]}


def scope(vpc_id: str = "") -> Scope:
    return Scope(OWNER, vpc_id)


def test_a_snapshot_belongs_to_its_image_and_one_that_has_lost_it_to_nobody(hand: Hand, client: Client) -> None:  # noqa: F811 - the fixture
    lost = image(hand.ec2, "lost", OWNER)
    hand.ec2.deregister_image(ImageId=lost.image)
    found = {one.identity: one for one in Snapshot().owned(client, scope())}
    assert {one.identity: one.belongs_to for one in found.values()} == {hand.snapshot: f"image {hand.image}", lost.snapshot: ""}
    assert datetime.fromisoformat(found[lost.snapshot].since) <= datetime.now(UTC)


def test_a_disabled_image_is_found_and_removed_like_any_other(hand: Hand, client: Client) -> None:  # noqa: F811 - the fixture
    hand.ec2.disable_image(ImageId=hand.image)
    image(hand.ec2, "strange", OTHERS)
    (found,) = Image().owned(client, scope())
    assert found.identity == hand.image
    assert found.since == hand.ec2.describe_images(Owners=["self"], IncludeDisabled=True)["Images"][0]["CreationDate"]
    Image().remove(client, hand.image)
    Snapshot().remove(client, hand.snapshot)
    assert not list(Image().owned(client, scope()))
    assert not list(Snapshot().owned(client, scope()))


def test_a_protection_stays_until_all_is_removed(world: World, hand: Hand, client: Client) -> None:  # noqa: F811 - the fixture
    hand.ec2.enable_image_deregistration_protection(ImageId=hand.image)
    assert world.plan() == []
    assert world.apply() == []
    # AWS refuses to deregister an image as long as it is protected.
    asked: list[str] = []
    events = client("ec2").meta.events

    def note(model: Any, **_: Any) -> None:
        asked.append(model.name)

    events.register("before-call.ec2", note)
    Image().remove(client, hand.image)
    events.unregister("before-call.ec2", note)
    assert asked[-2:] == ["DisableImageDeregistrationProtection", "DeregisterImage"]


def launch(hand: Hand, tags: dict[str, str], **more: Any) -> str:
    one = {"MinCount": 1, "MaxCount": 1, "ImageId": hand.image, "InstanceType": "g4dn.xlarge"}
    tagged = [{"ResourceType": kind, "Tags": pairs(tags)} for kind in ("instance", "volume") if tags]
    given: dict[str, Any] = {"TagSpecifications": tagged} if tagged else {}
    return str(hand.ec2.run_instances(**one, **given, **more)["Instances"][0]["InstanceId"])


def test_a_forgotten_host_is_told_with_what_it_costs_and_since_when(hand: Hand, client: Client) -> None:  # noqa: F811 - the fixture
    forgotten = launch(hand, OWNER | {"Name": "workbench"})
    launch(hand, OTHERS)
    (found,) = Instance().owned(client, scope())
    assert (found.identity, found.name, found.belongs_to) == (forgotten, "workbench", "")
    assert {"instance_type": "g4dn.xlarge", "spot": False}.items() <= found.fields.items()
    assert found.fields["state"] in ("pending", "running")
    assert datetime.fromisoformat(found.since) <= datetime.now(UTC)


def test_a_host_in_the_vpc_is_found_without_a_tag_and_gone_when_it_is_terminated(hand: Hand, client: Client) -> None:  # noqa: F811 - the fixture
    vpc = hand.ec2.create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]
    subnet = hand.ec2.create_subnet(VpcId=vpc, CidrBlock="10.0.1.0/24")["Subnet"]["SubnetId"]
    untagged = launch(hand, {}, SubnetId=subnet)
    assert [one.identity for one in Instance().owned(client, scope(vpc))] == [untagged]
    backends.ec2().get_instance(untagged)._state.name = "stopped"
    # By this a bill knows that it costs its disks only.
    assert [one.fields["state"] for one in Instance().owned(client, scope(vpc))] == ["stopped"]
    assert not list(Instance().owned(client, scope()))
    Instance().remove(client, untagged)
    backends.ec2().get_instance(untagged)._state.name = "terminated"
    assert not list(Instance().owned(client, scope(vpc)))


def test_a_disk_belongs_to_its_host_and_one_left_behind_to_nobody(hand: Hand, client: Client) -> None:  # noqa: F811 - the fixture
    host = launch(hand, OWNER)
    left = hand.ec2.create_volume(
        AvailabilityZone="us-east-1a",
        **{"Size": 50, "VolumeType": "gp3", "Iops": 4000, "Throughput": 250},
        TagSpecifications=[{"ResourceType": "volume", "Tags": pairs(OWNER)}],
    )["VolumeId"]
    found = {one.belongs_to: one for one in Volume().owned(client, scope())}
    assert set(found) == {f"instance {host}", ""}
    assert found[""].identity == left
    assert found[""].fields == {"volume_type": "gp3", "volume_size": 50, "iops": 4000, "throughput": 250}
    assert datetime.fromisoformat(found[""].since) <= datetime.now(UTC)
    Volume().remove(client, left)
    assert [one.belongs_to for one in Volume().owned(client, scope())] == [f"instance {host}"]
