"""Releases that are compared with the served one beside it: by copies of its requests, and by a share of its clients."""

import json
import os
import subprocess
import time

import boto3
import fleet
import pytest
import rehearsal
import requests
import rollouts

CANDIDATE = "pettracker-local-candidate"
CAT = (rehearsal.ROOT / "tests" / "data" / "cat.jpg").read_bytes()
# Enough that not all of them are sent to the same variant by chance.
VISITORS = 16
# Eight periods of ten seconds are the fewest in which latencies can be compared.
SECONDS = 110


def report():
    """Return the report of the experiment that is under way."""
    command = ["scripts/release", "local", "experiment-report", "--json"]
    done = subprocess.run(command, cwd=rehearsal.ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def kept():
    """Return the latest report that is kept."""
    s3, bucket = boto3.client("s3"), rollouts.releases_bucket()
    listed = s3.list_objects_v2(Bucket=bucket, Prefix="local/experiments/").get("Contents", [])
    keys = sorted(item["Key"] for item in listed if item["Key"].endswith(".json"))
    return json.load(s3.get_object(Bucket=bucket, Key=keys[-1])["Body"])


def under_way():
    """Say whether there is an experiment."""
    answer = boto3.client("s3").list_objects_v2(Bucket=rollouts.releases_bucket(), Prefix="local/experiments/running.json")
    return answer["KeyCount"] > 0


def leftovers():
    """Return what there still is of a candidate: its group, its target group, its template, tags of the live hosts."""
    groups = boto3.client("autoscaling").describe_auto_scaling_groups()["AutoScalingGroups"]
    targets = boto3.client("elbv2").describe_target_groups()["TargetGroups"]
    templates = boto3.client("ec2").describe_launch_templates()["LaunchTemplates"]
    tags = boto3.client("ec2").describe_tags(Filters=[{"Name": "key", "Values": ["Shadow"]}])["Tags"]
    named = [
        *(group["AutoScalingGroupName"] for group in groups),
        *(group["TargetGroupName"] for group in targets),
        *(template["LaunchTemplateName"] for template in templates),
    ]
    return [name for name in named if name == CANDIDATE] + tags


@pytest.fixture
def experiment(roll_out):
    """Begin an experiment, which ends with the test if the test did not end it."""

    def begin(**variables):
        run = roll_out("experiment", **variables)
        assert run.status == 0, run.output[-5000:]

    yield begin
    if under_way():
        roll_out("experiment_end")


def visitor():
    """Return a client that keeps its cookies."""
    session = requests.Session()
    session.verify = os.environ["SERVICE_CA"]
    session.trust_env = False
    return session


def ask(session):
    """Send the photo; return the status and the cookie that names the variant, "" if there is none."""
    answer = session.post(f"{os.environ['SERVICE_URL']}/predict", data=CAT, headers={"Content-Type": "image/jpeg"}, timeout=30)
    return answer.status_code, answer.cookies.get("AWSALBTG", "")


@pytest.mark.timeout(1200)
def test_each_client_of_an_ab_stays_with_its_variant_and_no_request_fails(image, experiment, roll_out, watched):
    version, hosts = fleet.version(), fleet.in_service()
    image()
    with watched() as (traffic, _):
        experiment(experiment_kind="ab", experiment_share=0.5)
        rehearsal.eventually(lambda: ask(visitor())[1], bool, within=30)
        answers = {session: [] for session in [visitor() for _ in range(VISITORS)]}
        until = time.monotonic() + SECONDS
        while time.monotonic() < until:
            for session, seen in answers.items():
                seen.append(ask(session))
        found = rehearsal.eventually(
            report, lambda said: min(said["measured"][side]["requests"] for side in ("live", "candidate")) >= 20
        )
        ended = roll_out("experiment_end")
    assert {status for seen in answers.values() for status, _ in seen} == {200}
    variants = [{cookie for _, cookie in seen} for seen in answers.values()]
    assert all(len(each) == 1 for each in variants)
    assert len(set.union(*variants)) == 2
    for side in ("live", "candidate"):
        measured = found["measured"][side]
        assert measured["errors"] == 0
        assert measured["p50"] > 0
        assert len(measured["medians"]) >= 8
    assert found["findings"][0]["verdict"] == "alike"
    assert ended.status == 0, ended.output[-5000:]
    assert kept()["outcome"] == "ended"
    assert leftovers() == []
    assert (fleet.version(), fleet.in_service()) == (version, hosts)
    assert traffic.failed == []
    assert traffic.wrong == []


@pytest.mark.timeout(1200)
def test_a_shadow_gets_the_copies_and_nobody_notices(image, experiment, roll_out, watched):
    version, hosts = fleet.version(), fleet.in_service()
    image()
    with watched() as (traffic, _):
        experiment(experiment_kind="shadow", experiment_share=1)
        found = rehearsal.eventually(
            report,
            lambda said: said["measured"]["copies"]["compared"] >= 50 and said["measured"]["candidate"]["requests"] > 0,
            within=240,
        )
        ended = roll_out("experiment_end")
    copies = found["measured"]["copies"]
    # The candidate has the same model.
    assert copies["agreed"] == copies["compared"]
    assert copies["common"] == copies["classes"]
    # Hosts of a rehearsal share their cores with everything else, and a copy has five seconds.
    assert copies["compared"] > 10 * copies["failed"]
    assert found["findings"][0]["verdict"] == "alike"
    assert ended.status == 0, ended.output[-5000:]
    assert kept()["outcome"] == "ended"
    assert leftovers() == []
    assert (fleet.version(), fleet.in_service()) == (version, hosts)
    assert traffic.failed == []
    assert traffic.wrong == []
    assert len({request.digest for request in traffic.requests}) == 1


@pytest.mark.timeout(1200)
def test_a_candidate_that_answers_wrongly_is_found_by_its_copies_alone(image, experiment, watched):
    image("wrong_answers")
    with watched() as (traffic, _):
        experiment(experiment_kind="shadow", experiment_share=1)
        found = rehearsal.eventually(report, lambda said: said["measured"]["copies"]["compared"] >= 50, within=240)
    assert found["measured"]["copies"]["agreed"] == 0
    assert traffic.failed == []
    assert traffic.wrong == []
