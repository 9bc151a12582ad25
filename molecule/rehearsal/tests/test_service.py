"""What a person, and a host, see of the running service."""

import base64
import json
import os
import urllib.error
import urllib.request
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import testinfra

CAT = (Path(__file__).parents[3] / "tests/data/cat.jpg").read_bytes()
IMDS = "http://169.254.169.254/latest"
ROLE_KEYS = "iam/security-credentials/pettracker-local-service"


def call(path, trust, method="GET", data=None, kind="image/jpeg"):
    request = urllib.request.Request(
        os.environ["SERVICE_URL"] + path, method=method, data=data, headers={"Content-Type": kind} if data else {}
    )
    with urllib.request.urlopen(request, context=trust, timeout=20) as answer:
        return json.load(answer)


def test_a_cat_is_a_cat_over_https(trust):
    answer = call("/predict", trust, "POST", CAT)
    assert "cat" in answer["predictions"][0]["class"].lower()
    assert len(answer["predictions"]) == 5


def test_the_model_served_is_the_model_pinned(trust):
    pinned = (Path(__file__).parents[3] / ".localcloud/model/digest").read_text().strip()
    assert call("/version", trust)["model"]["digest"] == pinned


def test_plain_http_is_redirected_to_https(trust):
    port = os.environ.get("LOCALCLOUD_HTTP_PORT", "8080")
    with urllib.request.urlopen(f"http://localhost:{port}/version", timeout=20, context=trust) as answer:
        assert answer.url == os.environ["SERVICE_URL"] + "/version"


def test_readiness_cannot_be_changed_from_outside(trust):
    with pytest.raises(urllib.error.HTTPError) as refused:
        call("/health/drain", trust, "PUT", b"", "text/plain")
    assert refused.value.code == 403


def metadata(host, path):
    token = host.check_output(f"curl -sX PUT -H 'X-aws-ec2-metadata-token-ttl-seconds: 60' {IMDS}/api/token")
    return host.check_output(f"curl -s -H 'X-aws-ec2-metadata-token: {token}' {IMDS}/meta-data/{path}")


def test_a_host_answers_imdsv2_only(host):
    plain = host.run(f"curl -s -o /dev/null -w '%{{http_code}}' {IMDS}/meta-data/instance-id")
    assert plain.stdout == "401"
    assert metadata(host, "instance-id") == host.backend.name
    assert json.loads(metadata(host, ROLE_KEYS))["Code"] == "Success"


def test_a_host_can_do_no_more_than_its_role_and_nothing_with_made_up_keys(host):
    given = json.loads(metadata(host, ROLE_KEYS))

    def ask(action, key):
        return host.check_output(
            "curl -s --aws-sigv4 aws:amz:us-east-1:ec2 --user %s --header %s --data %s %s",
            *(key, f"X-Amz-Security-Token: {given['Token']}", f"Action={action}&Version=2016-11-15"),
            os.environ["AWS_ENDPOINT_URL"] + "/",
        )

    own = f"{given['AccessKeyId']}:{given['SecretAccessKey']}"
    assert "<tagSet" in ask("DescribeTags", own)
    refused = ask("DescribeInstances", own)
    assert "<Code>UnauthorizedOperation</Code>" in refused
    assert f"assumed-role/pettracker-local-service/{host.backend.name} is not authorized" in refused
    assert "<Code>AuthFailure</Code>" in ask("DescribeTags", "AKIAIOSFODNN7EXAMPLE:guessed")


def test_a_host_boots_without_a_failed_unit(host):
    assert host.check_output("systemctl is-system-running --wait") == "running"


def test_the_image_carries_no_identity_of_its_builder(healthy_targets):
    hosts = [testinfra.get_host(f"podman://{name}") for name in healthy_targets()]
    assert len({h.file("/etc/machine-id").content_string for h in hosts}) == len(hosts)
    for each in hosts:
        assert each.backend.name in each.file("/etc/pettracker/instance.env").content_string


def test_user_data_holds_no_secret(client):
    data = client("ec2").describe_launch_template_versions(LaunchTemplateName="pettracker-local-service", Versions=["$Latest"])[
        "LaunchTemplateVersions"
    ][0]["LaunchTemplateData"]["UserData"]
    lines = base64.b64decode(data).decode().split("\n")
    assert [line for line in lines if line and not line.startswith("#")] == ["exec /opt/pettracker/bin/first-boot"]


def test_service_logs_arrive_in_cloudwatch(client, host, eventually, trust):
    call("/predict", trust, "POST", CAT)
    streams = eventually(
        lambda: client("logs").describe_log_streams(logGroupName="/pettracker/local/ml-server")["logStreams"],
        lambda found: host.backend.name in {s["logStreamName"] for s in found},
    )
    assert streams
    messages = eventually(
        lambda: client("logs").filter_log_events(logGroupName="/pettracker/local/ml-server")["events"],
        lambda events: any("/predict" in e["message"] for e in events),
    )
    assert all(json.loads(e["message"]) for e in messages)


def test_the_latency_of_the_whole_group_arrives_in_cloudwatch(client, eventually, trust):
    call("/predict", trust, "POST", CAT)
    dimensions = [{"Name": "AutoScalingGroupName", "Value": "pettracker-local-service"}]
    metric = {"Namespace": "PetTracker/ML", "MetricName": "InferenceLatency", "Dimensions": dimensions}
    queries = [
        {"Id": name, "MetricStat": {"Metric": metric, "Period": 7200, "Stat": stat}}
        for name, stat in (("count", "SampleCount"), ("median", "p50"), ("tail", "p99"))
    ]

    def read():
        now = datetime.now(UTC)
        span = {"StartTime": now - timedelta(hours=1), "EndTime": now + timedelta(minutes=1)}
        results = client("cloudwatch").get_metric_data(MetricDataQueries=queries, **span)["MetricDataResults"]
        return {one["Id"]: one["Values"][0] for one in results if one["Values"]}

    latency = eventually(read, bool, within=120)
    assert latency["count"] >= 1
    assert 0 < latency["median"] <= latency["tail"] < 10_000  # milliseconds; the deadline is 10 s


def test_memory_and_disk_metrics_arrive_in_cloudwatch(client, eventually):
    eventually(
        lambda: {m["MetricName"] for m in client("cloudwatch").list_metrics(Namespace="PetTracker/ML")["Metrics"]},
        lambda found: {"mem_used_percent", "disk_used_percent"} <= found,
        within=120,
    )
