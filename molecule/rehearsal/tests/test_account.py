"""What an AWS client sees in the account that the playbooks built."""

import json
from pathlib import Path


def tagged(name="Project", value="pettracker"):
    return [{"Name": f"tag:{name}", "Values": [value]}]


def test_network_has_two_zones_and_four_subnets(client):
    subnets = client("ec2").describe_subnets(Filters=tagged())["Subnets"]
    assert sorted(s["CidrBlock"] for s in subnets) == ["10.0.1.0/24", "10.0.11.0/24", "10.0.12.0/24", "10.0.2.0/24"]
    assert {s["AvailabilityZone"] for s in subnets} == {"us-east-1a", "us-east-1b"}


def test_private_subnets_leave_through_nat_and_reach_s3_through_the_gateway_endpoint(client):
    tables = client("ec2").describe_route_tables(Filters=tagged())["RouteTables"]
    defaults = [r for t in tables for r in t["Routes"] if r.get("DestinationCidrBlock") == "0.0.0.0/0"]
    assert any(r.get("NatGatewayId") for r in defaults)
    assert any(r.get("GatewayId", "").startswith("igw-") for r in defaults)
    endpoints = client("ec2").describe_vpc_endpoints(Filters=tagged())["VpcEndpoints"]
    assert [e["ServiceName"] for e in endpoints] == ["com.amazonaws.us-east-1.s3"]


def test_flow_logs_are_on(client):
    vpc = client("ec2").describe_vpcs(Filters=tagged())["Vpcs"][0]["VpcId"]
    logs = client("ec2").describe_flow_logs(Filters=[{"Name": "resource-id", "Values": [vpc]}])["FlowLogs"]
    assert [log["FlowLogStatus"] for log in logs] == ["ACTIVE"]


def test_only_the_balancer_is_open_to_the_world_and_ssh_to_nobody(client):
    groups = client("ec2").describe_security_groups(Filters=tagged())["SecurityGroups"]
    world = {
        (group["GroupName"], rule.get("FromPort"))
        for group in groups
        for rule in group["IpPermissions"]
        if any(r["CidrIp"] == "0.0.0.0/0" for r in rule.get("IpRanges", []))
    }
    assert {port for _, port in world} <= {80, 443}
    assert len({name for name, _ in world}) == 1
    for group in groups:
        for rule in group["IpPermissions"]:
            assert not rule.get("FromPort", 0) <= 22 <= rule.get("ToPort", 65535), group["GroupName"]


def test_default_security_group_is_closed(client):
    vpc = client("ec2").describe_vpcs(Filters=tagged())["Vpcs"][0]["VpcId"]
    default = client("ec2").describe_security_groups(
        Filters=[{"Name": "vpc-id", "Values": [vpc]}, {"Name": "group-name", "Values": ["default"]}]
    )["SecurityGroups"][0]
    assert default["IpPermissions"] == []
    assert default["IpPermissionsEgress"] == []


def test_launch_template_requires_imdsv2_and_encrypts(client):
    versions = client("ec2").describe_launch_template_versions(
        LaunchTemplateName="pettracker-local-service", Versions=["$Latest"]
    )["LaunchTemplateVersions"]
    data = versions[0]["LaunchTemplateData"]
    assert data["MetadataOptions"]["HttpTokens"] == "required"
    assert data["MetadataOptions"]["HttpPutResponseHopLimit"] == 1
    assert data["Monitoring"]["Enabled"] is True
    root = data["BlockDeviceMappings"][0]
    assert root["DeviceName"] == "/dev/xvda"
    assert (root["Ebs"]["VolumeType"], root["Ebs"]["VolumeSize"], root["Ebs"]["Encrypted"]) == ("gp3", 50, True)


def test_group_has_two_healthy_targets_in_two_zones(client, group, healthy_targets):
    service = group()
    assert (service["MinSize"], service["MaxSize"], service["HealthCheckType"]) == (2, 10, "ELB")
    assert {i["AvailabilityZone"] for i in service["Instances"]} == {"us-east-1a", "us-east-1b"}
    assert healthy_targets() == {i["InstanceId"] for i in service["Instances"]}
    policies = client("autoscaling").describe_policies(AutoScalingGroupName=service["AutoScalingGroupName"])
    configuration = policies["ScalingPolicies"][0]["TargetTrackingConfiguration"]
    assert configuration["TargetValue"] == 70.0
    assert configuration["PredefinedMetricSpecification"]["PredefinedMetricType"] == "ASGAverageCPUUtilization"


def test_buckets_are_encrypted_versioned_private_and_tls_only(client):
    storage = client("s3")
    buckets = [b["Name"] for b in storage.list_buckets()["Buckets"]]
    assert {b.rsplit("-", 1)[1] for b in buckets} == {"datasets", "models", "releases", "logs", "transfer"}
    for bucket in buckets:
        rule = storage.get_bucket_encryption(Bucket=bucket)["ServerSideEncryptionConfiguration"]["Rules"][0]
        assert rule["BucketKeyEnabled"] is True, bucket
        # Session Manager's file transfers must not stay behind as old versions.
        versioning = storage.get_bucket_versioning(Bucket=bucket).get("Status")
        assert versioning == (None if bucket.endswith("-transfer") else "Enabled"), bucket
        assert all(storage.get_public_access_block(Bucket=bucket)["PublicAccessBlockConfiguration"].values()), bucket
        rule = storage.get_bucket_lifecycle_configuration(Bucket=bucket)["Rules"][0]
        assert rule["AbortIncompleteMultipartUpload"] == {"DaysAfterInitiation": 7}, bucket
        # What is in use stays; the logs of balancers and files in transfer are in use for a while only.
        assert ("Days" in rule.get("Expiration", {})) == bucket.endswith(("-logs", "-transfer")), bucket
        policy = json.loads(storage.get_bucket_policy(Bucket=bucket)["Policy"])
        assert any(
            s["Effect"] == "Deny" and s.get("Condition", {}).get("Bool", {}).get("aws:SecureTransport") in ("false", False)
            for s in policy["Statement"]
        ), bucket


def test_image_is_verified_and_says_where_it_comes_from(client):
    images = client("ec2").describe_images(Owners=["self"], Filters=tagged())["Images"]
    tags = [{t["Key"]: t["Value"] for t in image["Tags"]} for image in images]
    assert [t["Verified"] for t in tags] == ["true"]
    assert tags[0]["ModelName"] == (Path(__file__).parents[3] / ".localcloud/model/name").read_text()
    assert tags[0]["BaseImage"].startswith("ami-")


def test_no_builder_is_left(client):
    reservations = client("ec2").describe_instances(
        Filters=[*tagged(), {"Name": "instance-state-name", "Values": ["pending", "running", "stopping", "stopped"]}]
    )["Reservations"]
    roles = {t["Value"] for r in reservations for i in r["Instances"] for t in i["Tags"] if t["Key"] == "Role"}
    assert roles == {"service"}
