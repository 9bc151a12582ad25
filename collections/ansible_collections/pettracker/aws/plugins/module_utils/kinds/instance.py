"""Instances. https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_Instance.html"""

from datetime import UTC, datetime, timedelta

from ..state import State, tags_to_dict
from ..training_instances import ROLE, overdue
from .compute_charges import InstanceCharges
from .ec2 import TAGGING, Ec2Kind, Filter, Resource, arns, regional_arns
from .fields import FIGURE, FIXED, IDENTITY, TIME, Answer, Compared, Foreign, Ignored
from .kind import Answers, Client, Clients, Grant

# Reserved to AWS, so that nobody can write it by hand:
# https://docs.aws.amazon.com/autoscaling/ec2/userguide/ec2-auto-scaling-tagging.html
GROUP_TAG = "aws:autoscaling:groupName"
# The hosts of an image build, which ends them: `roles/machine_image`. No bake lasts for a day.
BAKING = ("builder", "boot-test")
BAKE = timedelta(days=1)
# A host is replaced, and never corrected: a group's from its launch template, the others by the run that they are for.
MAKER = Foreign("who started the host: its group by a launch template, an image build or a training job")
DESCRIBED = Ignored("DescribeInstances says it, too")


class Instance(InstanceCharges, Ec2Kind):
    """Nobody keeps a single one: its state is what its price depends on, and who has forgotten one is told that it runs."""

    name = "instance"
    describe, listing, key = "describe_instances", "Reservations", "InstanceId"
    alive = (("instance-state-name", ("pending", "running", "stopping", "stopped", "shutting-down")),)
    made_at = "LaunchTime"
    answers = (
        Answer(
            "DescribeInstances",
            "Reservations.Instances",
            {
                "InstanceId": IDENTITY,
                "PrivateDnsName": IDENTITY,
                "PublicDnsName": IDENTITY,
                "PrivateIpAddress": IDENTITY,
                "PublicIpAddress": IDENTITY,
                "Ipv6Address": IDENTITY,
                "OutpostArn": IDENTITY,
                "VpcId": IDENTITY,
                "SubnetId": FIXED,
                "InstanceType": Compared("instance_type"),
                "InstanceLifecycle": Compared("spot"),
                "Tags": MAKER,
                "ImageId": FIXED,
                "KeyName": FIXED,
                "ClientToken": FIXED,
                "AmiLaunchIndex": FIXED,
                "Architecture": FIXED,
                "Hypervisor": FIXED,
                "VirtualizationType": FIXED,
                "RootDeviceName": FIXED,
                "RootDeviceType": FIXED,
                "KernelId": FIXED,
                "RamdiskId": FIXED,
                "Platform": FIXED,
                "PlatformDetails": FIXED,
                "ProductCodes": FIXED,
                "BootMode": FIXED,
                "CurrentInstanceBootMode": FIXED,
                "TpmSupport": FIXED,
                "EnclaveOptions": FIXED,
                "HibernationOptions": FIXED,
                "SpotInstanceRequestId": FIXED,
                "CapacityBlockId": FIXED,
                "Licenses": FIXED,
                "ElasticGpuAssociations": FIXED,
                "ElasticInferenceAcceleratorAssociations": FIXED,
                "SecondaryInterfaces": FIXED,
                "Operator": FIXED,
                "State": FIGURE,
                "StateReason": FIGURE,
                "StateTransitionReason": FIGURE,
                "CapacityReservationId": FIGURE,
                "UsageOperation": FIGURE,
                "UsageOperationUpdateTime": TIME,
                "LaunchTime": TIME,
                "BlockDeviceMappings": MAKER,
                "CapacityReservationSpecification": MAKER,
                "CpuOptions": MAKER,
                "EbsOptimized": MAKER,
                "EnaSupport": MAKER,
                "IamInstanceProfile": MAKER,
                "MaintenanceOptions": MAKER,
                "MetadataOptions": MAKER,
                "Monitoring": MAKER,
                "NetworkInterfaces": MAKER,
                "NetworkPerformanceOptions": MAKER,
                "Placement": MAKER,
                "PrivateDnsNameOptions": MAKER,
                "SecurityGroups": MAKER,
                "SourceDestCheck": MAKER,
                "SriovNetSupport": MAKER,
            },
        ),
        Answer(
            "DescribeInstanceAttribute",
            "",
            {
                "InstanceId": IDENTITY,
                "DisableApiStop": MAKER,
                "DisableApiTermination": MAKER,
                "InstanceInitiatedShutdownBehavior": MAKER,
                # It may hold addresses whose bearer may read: the role of plans is not allowed to see it.
                "UserData": MAKER,
                "BlockDeviceMappings": DESCRIBED,
                "EbsOptimized": DESCRIBED,
                "EnaSupport": DESCRIBED,
                "EnclaveOptions": DESCRIBED,
                "Groups": DESCRIBED,
                "InstanceType": DESCRIBED,
                "KernelId": DESCRIBED,
                "ProductCodes": DESCRIBED,
                "RamdiskId": DESCRIBED,
                "RootDeviceName": DESCRIBED,
                "SourceDestCheck": DESCRIBED,
                "SriovNetSupport": DESCRIBED,
            },
        ),
    )
    look = (Grant(("ec2:DescribeInstances",)),)
    change = (
        Grant(("ec2:RunInstances",), arns("*"), "making"),
        # What a host is started in carries the tags of the environment.
        Grant(("ec2:RunInstances",), arns("*"), "own"),
        # The base image is another account's; disks and interfaces are made with the host.
        Grant(("ec2:RunInstances",), (*regional_arns("image", "snapshot"), *arns("network-interface", "volume"))),
        Grant(
            ("ec2:RebootInstances", "ec2:StartInstances", "ec2:StopInstances", "ec2:TerminateInstances"),
            arns("instance"),
            "own",
        ),
        TAGGING,
    )
    removal = (Grant(("ec2:TerminateInstances",), arns("instance"), "own"),)

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

    def state(self, answers: Answers) -> State:
        instance = answers["DescribeInstances"]
        return {"instance_type": instance["InstanceType"], "spot": instance.get("InstanceLifecycle") == "spot"}

    def remove(self, clients: Clients, identity: str) -> None:
        clients("ec2").terminate_instances(InstanceIds=[identity])
