"""Instances. https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_Instance.html"""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

from ..state import State, tags_to_dict
from ..training_instances import ROLE, overdue
from .charges import Fields, Gap, Item, Place, line
from .ec2 import TAGGING, Ec2Kind, Filter, Resource, arns, regional_arns
from .fields import FIXED, IDENTITY, STATUS, TIME, Answer, Foreign, Ignored, Marks, compared, each
from .kind import Answers, Client, Clients, Grant

# Reserved to AWS, so that nobody can write it by hand:
# https://docs.aws.amazon.com/autoscaling/ec2/userguide/ec2-auto-scaling-tagging.html
GROUP_TAG = "aws:autoscaling:groupName"
# The hosts of an image build, which ends them: `roles/machine_image`. No bake lasts for a day.
BAKING = ("builder", "boot-test")
BAKE = timedelta(days=1)
# One in such a state costs its volumes only, which are resources of their own.
UNPAID = ("stopping", "stopped", "shutting-down", "terminated")
# A host is replaced, and never corrected: a group's from its launch template, the others by the run that they are for.
MAKER = Foreign("who started the host: its group by a launch template, an image build or a training job")
DESCRIBED = Ignored("DescribeInstances says it, too")
INSTANCES: Marks = {
    **each(IDENTITY, "InstanceId PrivateDnsName PublicDnsName PrivateIpAddress PublicIpAddress Ipv6Address OutpostArn VpcId"),
    **each(FIXED, "SubnetId ImageId KeyName ClientToken AmiLaunchIndex Architecture Hypervisor VirtualizationType"),
    **each(FIXED, "RootDeviceName RootDeviceType KernelId RamdiskId Platform PlatformDetails ProductCodes BootMode"),
    **each(FIXED, "CurrentInstanceBootMode TpmSupport EnclaveOptions HibernationOptions SpotInstanceRequestId"),
    **each(FIXED, "CapacityBlockId Licenses ElasticGpuAssociations ElasticInferenceAcceleratorAssociations"),
    **each(FIXED, "SecondaryInterfaces Operator"),
    **compared(instance_type="InstanceType", spot="InstanceLifecycle"),
    **each(MAKER, "Tags BlockDeviceMappings CapacityReservationSpecification CpuOptions EbsOptimized EnaSupport"),
    **each(MAKER, "IamInstanceProfile MaintenanceOptions MetadataOptions Monitoring NetworkInterfaces"),
    **each(MAKER, "NetworkPerformanceOptions Placement PrivateDnsNameOptions SecurityGroups SourceDestCheck SriovNetSupport"),
    **each(STATUS, "State StateReason StateTransitionReason CapacityReservationId UsageOperation"),
    **each(TIME, "UsageOperationUpdateTime LaunchTime"),
}
INSTANCE_ATTRIBUTE: Marks = {
    "InstanceId": IDENTITY,
    **each(MAKER, "DisableApiStop DisableApiTermination InstanceInitiatedShutdownBehavior"),
    # It may hold addresses whose bearer may read: the role of plans is not allowed to see it.
    "UserData": MAKER,
    **each(DESCRIBED, "BlockDeviceMappings EbsOptimized EnaSupport EnclaveOptions Groups InstanceType KernelId ProductCodes"),
    **each(DESCRIBED, "RamdiskId RootDeviceName SourceDestCheck SriovNetSupport"),
}


class Instance(Ec2Kind):
    """Nobody keeps a single one: its state is what its price depends on, and who has forgotten one is told that it runs."""

    name = "instance"
    describe, listing, key = "describe_instances", "Reservations", "InstanceId"
    alive = (("instance-state-name", ("pending", "running", "stopping", "stopped", "shutting-down")),)
    made_at = "LaunchTime"
    answers = (
        Answer("DescribeInstances", "Reservations.Instances", INSTANCES),
        Answer("DescribeInstanceAttribute", "", INSTANCE_ATTRIBUTE),
    )
    look = (Grant("ec2", "DescribeInstances"),)
    change = (
        Grant("ec2", "RunInstances", arns("*"), "making"),
        # What a host is started in carries the tags of the environment.
        Grant("ec2", "RunInstances", arns("*"), "own"),
        # The base image is another account's; disks and interfaces are made with the host.
        Grant("ec2", "RunInstances", (*regional_arns("image", "snapshot"), *arns("network-interface", "volume"))),
        Grant("ec2", "RebootInstances StartInstances StopInstances TerminateInstances", arns("instance"), "own"),
        TAGGING,
    )
    removal = (Grant("ec2", "TerminateInstances", arns("instance"), "own"),)

    def listed(self, client: Client, *filters: Filter) -> list[Resource]:
        return [instance for reservation in super().listed(client, *filters) for instance in reservation["Instances"]]

    def belongs_to(self, resource: Resource) -> str:
        group = next((tag["Value"] for tag in resource.get("Tags", []) if tag["Key"] == GROUP_TAG), "")
        if group:
            return f"Auto Scaling group {group}"
        tags, now = tags_to_dict(resource.get("Tags", [])), datetime.now(UTC)
        if tags.get("Role") in BAKING and now < resource["LaunchTime"] + BAKE:
            return "image build"
        # A job's host says itself how long it may run.
        if tags.get("Role") == ROLE and "Job" in tags and not overdue([dict(resource)], now):
            return f"training job {tags['Job']}"
        return ""

    def priced(self, resource: Resource) -> State:
        return self.state({"DescribeInstances": resource}) | {"state": resource["State"]["Name"]}

    def charges(self, name: str, fields: Fields, place: Place) -> Iterator[Item]:
        resource, kind, prices = f"{self.name} {name}", fields["instance_type"], place.prices["instances"]
        if fields.get("state") in UNPAID:
            return
        if kind not in prices:
            yield Gap(resource, f"no price known for {kind} in {place.region}")
            return
        bought, share = ("Spot", 1 - place.usage["spot_discount"]) if fields["spot"] else ("On-Demand", 1)
        yield line(resource, "instances", f"{kind} {bought}", prices[kind] * place.usage["hours"] * share)

    def state(self, answers: Answers) -> State:
        instance = answers["DescribeInstances"]
        return {"instance_type": instance["InstanceType"], "spot": instance.get("InstanceLifecycle") == "spot"}

    def remove(self, clients: Clients, identity: str) -> None:
        clients("ec2").terminate_instances(InstanceIds=[identity])
