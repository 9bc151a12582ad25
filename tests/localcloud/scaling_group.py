"""A service as tests need it: an Auto Scaling group over two zones behind a balancer."""

from typing import Any

from localcloud import backends
from tests.localcloud.conftest import Cloud, eventually


class Group:
    """A service of two zones: launch template, target group behind a listener, Auto Scaling group."""

    def __init__(
        self, cloud: Cloud, desired: int = 2, grace: int = 0, draining: int = 0, version: str = "$Latest", **settings: Any
    ) -> None:
        """`settings` are further parameters of CreateAutoScalingGroup."""
        self.cloud = cloud
        self.ec2, self.elb, self.asg = cloud.client("ec2"), cloud.client("elbv2"), cloud.client("autoscaling")
        vpc = self.ec2.create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]
        zones = {"10.0.0.0/24": "us-east-1a", "10.0.1.0/24": "us-east-1b"}
        subnets = [
            self.ec2.create_subnet(VpcId=vpc, CidrBlock=block, AvailabilityZone=zone)["Subnet"]["SubnetId"]
            for block, zone in zones.items()
        ]
        self.ec2.create_launch_template(
            LaunchTemplateName="service", LaunchTemplateData={"ImageId": cloud.base_image, "InstanceType": "c5.large"}
        )
        self.target_group = self.elb.create_target_group(
            Name="service",
            Protocol="HTTP",
            Port=8080,
            VpcId=vpc,
            HealthCheckPath="/ready",
            HealthCheckIntervalSeconds=5,
            HealthCheckTimeoutSeconds=2,
            UnhealthyThresholdCount=2,
        )["TargetGroups"][0]["TargetGroupArn"]
        backends.elbv2().target_groups[self.target_group].health_check_interval_seconds = 0.1
        delay = {"Key": "deregistration_delay.timeout_seconds", "Value": str(draining)}
        self.elb.modify_target_group_attributes(TargetGroupArn=self.target_group, Attributes=[delay])
        balancer = self.elb.create_load_balancer(Name="service", Subnets=subnets)["LoadBalancers"][0]["LoadBalancerArn"]
        forward = {"Type": "forward", "TargetGroupArn": self.target_group}
        self.elb.create_listener(LoadBalancerArn=balancer, Protocol="HTTP", Port=80, DefaultActions=[forward])
        self.asg.create_auto_scaling_group(
            AutoScalingGroupName="service",
            LaunchTemplate={"LaunchTemplateName": "service", "Version": version},
            MinSize=1,
            MaxSize=4,
            DesiredCapacity=desired,
            VPCZoneIdentifier=",".join(subnets),
            TargetGroupARNs=[self.target_group],
            HealthCheckType="ELB",
            HealthCheckGracePeriod=grace or 300,
            DefaultInstanceWarmup=60,
            Tags=[{"Key": "Project", "Value": "pettracker", "PropagateAtLaunch": True}],
            **settings,
        )
        backends.autoscaling().autoscaling_groups["service"].health_check_grace_period = grace

    def members(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.asg.describe_auto_scaling_groups()["AutoScalingGroups"][0]["Instances"]
        return found

    def in_service(self) -> list[str]:
        return [one["InstanceId"] for one in self.members() if one["LifecycleState"] == "InService"]

    def health(self) -> dict[str, str]:
        reply = self.elb.describe_target_health(TargetGroupArn=self.target_group)["TargetHealthDescriptions"]
        return {one["Target"]["Id"]: one["TargetHealth"]["State"] for one in reply}

    def settled(self, count: int) -> list[str]:
        """Wait until exactly `count` members are in service, healthy, and nothing else is in the group."""

        def done() -> bool:
            states = self.health()
            members = self.in_service()
            return len(members) == count == len(self.members()) and states == dict.fromkeys(members, "healthy")

        eventually(done)
        return self.in_service()

    def address(self, instance_id: str) -> str:
        return str(backends.ec2().get_instance_by_id(instance_id).private_ip)

    def activities(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.asg.describe_scaling_activities(AutoScalingGroupName="service")["Activities"]
        return found
