"""Each module makes what is wanted, then finds nothing to do, corrects a change made by hand, and only looks in check mode."""

import json
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
import requests
from ansible_collections.pettracker.aws.plugins.module_utils.kinds.alarm import Alarm, found_metric
from botocore.exceptions import ClientError

from tests.plugins.loading import FakeModule, ModuleFailed, load

Account = Callable[[str], Any]
ROLE = "arn:aws:iam::123456789012:role/flow-logs"
BUCKET = {
    "name": "models",
    "encryption": "AES256",
    "kms_key_id": None,
    "bucket_key": True,
    "versioning": True,
    "lifecycle_rules": [
        {"id": "everything", "prefix": "", "expire_days": 0, "noncurrent_days": 30, "abort_upload_days": 7},
        {"id": "old", "prefix": "old/", "expire_days": 365, "noncurrent_days": 0, "abort_upload_days": 0},
    ],
    "policy": {
        "Version": "2012-10-17",
        "Statement": [
            {"Sid": "Read", "Effect": "Allow", "Principal": "*", "Action": "s3:*", "Resource": "arn:aws:s3:::models"}
        ],
    },
    "tags": {"Project": "pettracker"},
}
ALARM = {
    "name": "cpu",
    "description": "busy",
    "namespace": "AWS/EC2",
    "metric": "CPUUtilization",
    "dimensions": {"AutoScalingGroupName": "service"},
    "expression": "",
    "statistic": "Average",
    "comparison": "GreaterThanThreshold",
    "threshold": 80.0,
    "period": 300,
    "evaluation_periods": 2,
    "missing_data": "missing",
}


def run(name: str, parameters: dict[str, Any], check_mode: bool = False) -> dict[str, Any]:
    result: dict[str, Any] = load("modules", name).run(FakeModule(parameters, check_mode))
    return result


def settles(name: str, parameters: dict[str, Any]) -> None:
    """Assert that check mode announces and does nothing, the first run changes and the second does not."""
    assert run(name, parameters, check_mode=True)["changed"]
    assert run(name, parameters, check_mode=True)["changed"]
    assert run(name, parameters)["changed"]
    assert not run(name, parameters, check_mode=True)["changed"]
    assert not run(name, parameters)["changed"]


class TestBuckets:
    def test_a_bucket_settles(self, account: Account) -> None:
        settles("s3_buckets", {"buckets": [BUCKET]})
        s3 = account("s3")
        assert all(s3.get_public_access_block(Bucket="models")["PublicAccessBlockConfiguration"].values())
        assert s3.get_bucket_versioning(Bucket="models")["Status"] == "Enabled"
        rules = s3.get_bucket_encryption(Bucket="models")["ServerSideEncryptionConfiguration"]["Rules"]
        assert rules[0]["BucketKeyEnabled"] is True
        assert s3.get_bucket_lifecycle_configuration(Bucket="models")["Rules"] == [
            {
                **{"ID": "everything", "Filter": {"Prefix": ""}, "Status": "Enabled"},
                "NoncurrentVersionExpiration": {"NoncurrentDays": 30},
                "Expiration": {"ExpiredObjectDeleteMarker": True},
                "AbortIncompleteMultipartUpload": {"DaysAfterInitiation": 7},
            },
            {**{"ID": "old", "Filter": {"Prefix": "old/"}, "Status": "Enabled"}, "Expiration": {"Days": 365}},
        ]

    def test_a_bucket_opened_by_hand_is_closed(self, account: Account) -> None:
        run("s3_buckets", {"buckets": [BUCKET]})
        account("s3").delete_public_access_block(Bucket="models")
        result = run("s3_buckets", {"buckets": [BUCKET]})
        assert result["diff"][0]["before"] == {"public_access_blocked": False}
        assert not run("s3_buckets", {"buckets": [BUCKET]})["changed"]

    @pytest.mark.parametrize(
        "given",
        [{"Filter": {}}, {"Filter": {"Prefix": ""}}, {"Prefix": ""}],
        ids=["an empty filter", "an empty prefix", "the older form"],
    )
    def test_each_form_in_which_s3_tells_a_rule_is_the_same_rule(self, account: Account, given: dict[str, Any]) -> None:
        run("s3_buckets", {"buckets": [BUCKET]})
        rules = account("s3").get_bucket_lifecycle_configuration(Bucket="models")["Rules"]
        del rules[0]["Filter"]
        account("s3").put_bucket_lifecycle_configuration(
            Bucket="models", LifecycleConfiguration={"Rules": [rules[0] | given, rules[1]]}
        )
        assert not run("s3_buckets", {"buckets": [BUCKET]})["changed"]

    def test_a_bucket_keeps_everything_again(self, account: Account) -> None:
        run("s3_buckets", {"buckets": [BUCKET]})
        settles("s3_buckets", {"buckets": [BUCKET | {"lifecycle_rules": []}]})
        with pytest.raises(ClientError, match="NoSuchLifecycleConfiguration"):
            account("s3").get_bucket_lifecycle_configuration(Bucket="models")

    def test_a_bucket_without_versions_stays_without(self, account: Account) -> None:
        settles("s3_buckets", {"buckets": [BUCKET | {"versioning": False}]})
        assert "Status" not in account("s3").get_bucket_versioning(Bucket="models")

    def test_another_policy_replaces_the_first(self, account: Account) -> None:
        run("s3_buckets", {"buckets": [BUCKET]})
        statement = BUCKET["policy"]["Statement"][0] | {"Action": ["s3:GetObject"]}  # type: ignore[index]
        changed = BUCKET | {"policy": {"Version": "2012-10-17", "Statement": [statement]}}
        assert run("s3_buckets", {"buckets": [changed]})["changed"]
        stored = json.loads(account("s3").get_bucket_policy(Bucket="models")["Policy"])
        assert stored["Statement"][0]["Action"] == "s3:GetObject"


class TestSecurityGroups:
    @pytest.mark.parametrize("text", ["Debian's mirrors", "HTTPS → AWS", "x" * 256])
    def test_a_plan_refuses_what_ec2_would_refuse_half_way(self, account: Account, text: str) -> None:
        rule = {"proto": "tcp", "port": 80, "cidrs": ["0.0.0.0/0"], "group": None, "description": text}
        group = {"name": "hosts", "description": "Hosts", "ingress": [], "egress": [rule], "tags": {}}
        described = "The description of the egress rule for port 80 of the security group hosts is"
        with pytest.raises(ModuleFailed, match=f"{described} '{text}': EC2 takes at most 255 of "):
            run("security_groups", {"vpc_id": "vpc-to-be-made", "groups": [group]}, check_mode=True)


class TestPresignedUrls:
    def test_each_key_gets_an_address_that_reads_its_object_and_no_other(self, account: Account) -> None:
        account("s3").create_bucket(Bucket="models")
        for key in ("a/one", "a/two"):
            account("s3").put_object(Bucket="models", Key=key, Body=key.encode())
        parameters = {"bucket": "models", "keys": ["a/one", "a/two"], "method": "get", "expiry": 60}
        result = run("presigned_urls", parameters, check_mode=True)
        assert not result["changed"]
        assert {key: requests.get(url, timeout=5).text for key, url in result["urls"].items()} == {
            "a/one": "a/one",
            "a/two": "a/two",
        }
        query = parse_qs(urlsplit(result["urls"]["a/one"]).query)
        assert (query["X-Amz-Algorithm"], query["X-Amz-Expires"]) == (["AWS4-HMAC-SHA256"], ["60"])

    def test_a_host_may_write_one_object_without_credentials(self, account: Account) -> None:
        account("s3").create_bucket(Bucket="models")
        parameters = {"bucket": "models", "keys": ["log"], "method": "put", "expiry": 60}
        url = run("presigned_urls", parameters)["urls"]["log"]
        assert requests.put(url, data=b"lines", timeout=5).status_code == 200
        assert account("s3").get_object(Bucket="models", Key="log")["Body"].read() == b"lines"

    def test_an_address_for_more_than_a_week_is_refused(self, account: Account) -> None:
        with pytest.raises(ModuleFailed, match="from 1 to 604800"):
            run("presigned_urls", {"bucket": "models", "keys": [], "method": "get", "expiry": 604801})


class TestFingerprint:
    def test_other_photos_have_another_fingerprint_and_neighbours_do_not_count(self, account: Account) -> None:
        s3 = account("s3")
        s3.create_bucket(Bucket="datasets")
        for key in ("pets/cat/1.jpg", "pets/dog/1.jpg"):
            s3.put_object(Bucket="datasets", Key=key, Body=key.encode())
        before = run("s3_fingerprint", {"url": "s3://datasets/pets/"})
        s3.put_object(Bucket="datasets", Key="pets-old/cat/1.jpg", Body=b"x")
        assert run("s3_fingerprint", {"url": "s3://datasets/pets"}) == before
        assert (before["changed"], before["objects"]) == (False, 2)
        s3.put_object(Bucket="datasets", Key="pets/dog/1.jpg", Body=b"another dog's")
        assert run("s3_fingerprint", {"url": "s3://datasets/pets"})["sha256"] != before["sha256"]
        assert run("s3_fingerprint", {"url": "s3://datasets/pets/dog/1.jpg"})["objects"] == 1

    @pytest.mark.parametrize(("url", "told"), [("s3://datasets/none", "holds nothing"), ("/data", "write s3://bucket/prefix")])
    def test_an_address_of_nothing_is_refused(self, account: Account, url: str, told: str) -> None:
        account("s3").create_bucket(Bucket="datasets")
        with pytest.raises(ModuleFailed, match=told):
            run("s3_fingerprint", {"url": url})


class TestTexts:
    def test_what_is_there_is_read_and_what_is_not_is_left_out(self, account: Account) -> None:
        account("s3").create_bucket(Bucket="models")
        account("s3").put_object(Bucket="models", Key="a/manifest.json", Body='{"name": "Mïa"}\n'.encode())
        result = run("s3_texts", {"bucket": "models", "keys": ["a/manifest.json", "a/model.sig"]})
        assert result == {"changed": False, "texts": {"a/manifest.json": '{"name": "Mïa"}\n'}}

    def test_a_bucket_that_is_not_there_is_empty_in_a_plan_only(self, account: Account) -> None:
        parameters = {"bucket": "models", "keys": ["a"]}
        assert run("s3_texts", parameters, check_mode=True)["texts"] == {}
        with pytest.raises(ClientError, match="NoSuchBucket"):
            run("s3_texts", parameters)

    @pytest.mark.parametrize(("content", "told"), [(b"\xff\xfe", "is no text"), (b"a" * (2**20 + 1), "too many")])
    def test_what_is_no_short_text_is_refused(self, account: Account, content: bytes, told: str) -> None:
        account("s3").create_bucket(Bucket="models")
        account("s3").put_object(Bucket="models", Key="a", Body=content)
        with pytest.raises(ModuleFailed, match=told):
            run("s3_texts", {"bucket": "models", "keys": ["a"]})


class TestMetricValue:
    def test_one_value_is_written_and_none_in_check_mode(self, account: Account) -> None:
        parameters = {"namespace": "ML/Training", "metric": "TrainingFailed", "value": 1.0, "dimensions": {"A": "b"}}
        assert run("metric_value", parameters, check_mode=True)["changed"]
        assert account("cloudwatch").list_metrics()["Metrics"] == []
        run("metric_value", parameters)
        (metric,) = account("cloudwatch").list_metrics()["Metrics"]
        assert (metric["MetricName"], metric["Dimensions"]) == ("TrainingFailed", [{"Name": "A", "Value": "b"}])


class TestFlowLog:
    @pytest.fixture
    def parameters(self, account: Account) -> dict[str, Any]:
        account("logs").create_log_group(logGroupName="/aws/vpc/x")
        account("iam").create_role(RoleName="flow-logs", AssumeRolePolicyDocument="{}")
        vpc = account("ec2").create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]
        return {
            "vpc_id": vpc,
            "log_group": "/aws/vpc/x",
            "role_arn": ROLE,
            "traffic_type": "ALL",
            "aggregation_seconds": 600,
            "tags": {"Name": "x"},
        }

    def test_a_flow_log_settles(self, parameters: dict[str, Any]) -> None:
        settles("vpc_flow_log", parameters)

    def test_another_traffic_type_replaces_it(self, account: Account, parameters: dict[str, Any]) -> None:
        first = run("vpc_flow_log", parameters)["flow_log_id"]
        second = run("vpc_flow_log", parameters | {"traffic_type": "REJECT"})["flow_log_id"]
        assert first != second
        logs = account("ec2").describe_flow_logs()["FlowLogs"]
        assert [(log["FlowLogId"], log["TrafficType"]) for log in logs] == [(second, "REJECT")]

    def test_tags_are_corrected_in_place(self, parameters: dict[str, Any]) -> None:
        first = run("vpc_flow_log", parameters)["flow_log_id"]
        result = run("vpc_flow_log", parameters | {"tags": {"Name": "y"}})
        assert result["changed"]
        assert result["flow_log_id"] == first


class TestAlarms:
    def test_an_alarm_settles(self, account: Account) -> None:
        settles("metric_alarms", {"alarms": [ALARM], "topic_arns": [], "tags": {"Project": "pettracker"}})

    def test_a_threshold_moved_by_hand_is_moved_back(self, account: Account) -> None:
        parameters = {"alarms": [ALARM], "topic_arns": [], "tags": {}}
        run("metric_alarms", {"alarms": [ALARM | {"threshold": 99.0}], "topic_arns": [], "tags": {}})
        assert run("metric_alarms", parameters)["diff"][0]["before"] == {"threshold": 99.0}
        assert account("cloudwatch").describe_alarms()["MetricAlarms"][0]["Threshold"] == 80.0

    def test_another_topic_is_notified(self, account: Account) -> None:
        run("metric_alarms", {"alarms": [ALARM], "topic_arns": [], "tags": {}})
        topic = account("sns").create_topic(Name="pager")["TopicArn"]
        assert run("metric_alarms", {"alarms": [ALARM], "topic_arns": [topic], "tags": {}})["changed"]
        assert account("cloudwatch").describe_alarms()["MetricAlarms"][0]["AlarmActions"] == [topic]

    def test_metric_math_settles_and_is_put_back(self, account: Account) -> None:
        filled = {"alarms": [ALARM | {"expression": "FILL(m1, 0)"}], "topic_arns": [], "tags": {"Project": "pettracker"}}
        settles("metric_alarms", filled)
        (alarm,) = account("cloudwatch").describe_alarms()["MetricAlarms"]
        # API reference, PutMetricAlarm: Metrics excludes MetricName, Namespace, Period and the like; one item returns data.
        assert not {"MetricName", "Namespace", "Statistic", "Period"} & set(alarm)
        assert [query["Id"] for query in alarm["Metrics"] if query.get("ReturnData", True)] == ["e1"]
        plain = run("metric_alarms", {"alarms": [ALARM], "topic_arns": [], "tags": {"Project": "pettracker"}})
        assert (plain["diff"][0]["before"], plain["diff"][0]["after"]) == ({"expression": "FILL(m1, 0)"}, {"expression": ""})

    @pytest.mark.parametrize(
        "queries",
        [
            # As DescribeAlarms may answer: in another order, and without what is the default.
            lambda stat: [{"Id": "x", "Expression": "FILL(m1, 0)"}, {"Id": "m1", "MetricStat": stat, "ReturnData": False}],
            lambda stat: [
                {"Id": "m1", "MetricStat": stat, "ReturnData": False},
                {"Id": "e1", "Expression": "FILL(m1, 0)", "Label": "beats", "ReturnData": True},
            ],
        ],
        ids=["another order", "a label"],
    )
    def test_an_expression_is_read_whatever_form_aws_answers_in(self, queries: Callable[[Any], Any]) -> None:
        named = {"Namespace": "AWS/EC2", "MetricName": "CPUUtilization"}
        dimensions = [{"Name": "AutoScalingGroupName", "Value": "service"}]
        stat = {"Metric": named | {"Dimensions": dimensions}, "Period": 300, "Stat": "Average"}
        entry = ALARM | {"expression": "FILL(m1, 0)", "topic_arns": [], "tags": {}}
        wanted, found = Alarm().wanted(entry, None), found_metric({"Metrics": queries(stat)})
        assert found == {field: wanted[field] for field in found}

    def test_metric_math_over_more_than_one_metric_is_no_alarm_of_ours(self) -> None:
        stat = {"Metric": {"Namespace": "a", "MetricName": "b"}, "Period": 60, "Stat": "Sum"}
        queries = [{"Id": f"m{number}", "MetricStat": stat, "ReturnData": False} for number in (1, 2)]
        found = found_metric({"Metrics": [*queries, {"Id": "e1", "Expression": "m1 + m2"}]})
        assert "m1 + m2" in found["expression"]
        assert found["metric"] is None


class TestTargetGroup:
    @pytest.fixture
    def parameters(self, account: Account) -> dict[str, Any]:
        return {
            "name": "service",
            "vpc_id": account("ec2").create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"],
            "port": 8080,
            "health_check": {"path": "/ready", "interval": 10, "timeout": 4, "healthy_threshold": 2, "unhealthy_threshold": 2},
            "attributes": {"deregistration_delay.timeout_seconds": 30},
            "tags": {"Name": "service"},
        }

    def test_a_target_group_settles(self, parameters: dict[str, Any]) -> None:
        settles("target_group", parameters)

    def test_the_health_check_is_corrected(self, account: Account, parameters: dict[str, Any]) -> None:
        run("target_group", parameters)
        health_check = parameters["health_check"] | {"path": "/health"}
        assert run("target_group", parameters | {"health_check": health_check})["changed"]
        assert account("elbv2").describe_target_groups()["TargetGroups"][0]["HealthCheckPath"] == "/health"

    def test_another_port_is_refused_with_what_to_do(self, parameters: dict[str, Any]) -> None:
        run("target_group", parameters)
        with pytest.raises(ModuleFailed, match=r"has port 8080 and should have 9090.*another name"):
            run("target_group", parameters | {"port": 9090})


class TestNetwork:
    def test_a_missing_network_says_which_playbook_makes_it(self, account: Account) -> None:
        assert "playbooks/network.yml" in load("modules", "network_info").describe(account("ec2"), "pettracker-dev")

    def test_subnets_are_found_by_tier_in_the_order_of_zones(self, account: Account) -> None:
        ec2 = account("ec2")
        vpc = ec2.create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]
        ec2.create_tags(Resources=[vpc], Tags=[{"Key": "Name", "Value": "pettracker-dev"}])
        made = {}
        for zone, cidr, tier in [
            ("b", "10.0.12.0/24", "private"),
            ("a", "10.0.11.0/24", "private"),
            ("a", "10.0.1.0/24", "public"),
        ]:
            subnet = ec2.create_subnet(VpcId=vpc, CidrBlock=cidr, AvailabilityZone=f"us-east-1{zone}")["Subnet"]["SubnetId"]
            ec2.create_tags(Resources=[subnet], Tags=[{"Key": "Tier", "Value": tier}])
            made[cidr] = subnet
        network = load("modules", "network_info").describe(ec2, "pettracker-dev")
        assert network["private_subnet_ids"] == [made["10.0.11.0/24"], made["10.0.12.0/24"]]
        assert network["public_subnet_ids"] == [made["10.0.1.0/24"]]
        assert list(network["security_group_ids"]) == ["default"]
