"""The role starts, follows, replaces and ends the instances of a job, on an emulated account where a thread plays the hosts.

molecule/training does the same with real hosts and real training.
"""

import base64
import json
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
import urllib3
import yaml
from moto.server import ThreadedMotoServer

from tests.roles.controllers import environment_of
from training.job import Job

ROOT = Path(__file__).parents[2]
KEYS = {"aws_access_key_id": "testing", "aws_secret_access_key": "testing", "region_name": "us-east-1"}
PREFIX = "experiments/iris/small"
PLAY = [{"hosts": "localhost", "gather_facts": False, "roles": ["training_instance"]}]


class Controller:
    """Runs the role; hosts do as `plan` says, one after the other."""

    def __init__(self, directory: Path, endpoint: str) -> None:
        self._directory = directory
        self._client = lambda service: boto3.client(service, endpoint_url=endpoint, **KEYS)
        self.ec2, self.s3 = self._client("ec2"), self._client("s3")
        self.s3.create_bucket(Bucket="models")
        vpc = self.ec2.create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]
        subnet = self.ec2.create_subnet(VpcId=vpc, CidrBlock="10.0.1.0/24")["Subnet"]["SubnetId"]
        group = self.ec2.create_security_group(GroupName="training", Description="x", VpcId=vpc)["GroupId"]
        self._client("iam").create_instance_profile(InstanceProfileName="training")
        image = self.ec2.register_image(Name="base", RootDeviceName="/dev/xvda")["ImageId"]
        described = self.ec2.describe_images(ImageIds=[image])["Images"][0]
        self._environment = environment_of(endpoint)
        variables = {
            "config": "iris",
            "job": "small",
            "settings": {"training.epochs": 3},
            "bucket": "models",
            "wheelhouse": {"bucket": "releases", "key": "wheelhouse/x.tar.gz", "sha256": "0" * 64},
            "output": str(directory / "runs"),
            "base_owner": described["OwnerId"],
            "base_name": "base",
            "subnet_ids": [subnet],
            "security_group_id": group,
            "profile": "training",
            "poll_seconds": 0.2,
            "region": "us-east-1",
            "tags": {"Project": "pettracker", "Environment": "dev"},
            "metric_namespace": "ML/Training",
        }
        self._variables = {f"training_instance_{name}": value for name, value in variables.items()}
        (directory / "play.yml").write_text(json.dumps(PLAY))
        inventory = {"all": {"hosts": {"localhost": {"ansible_connection": "local"}}}}
        inventory["all"]["hosts"]["localhost"]["ansible_python_interpreter"] = sys.executable
        (directory / "hosts.yml").write_text(json.dumps(inventory))

    def set(self, **variables: Any) -> None:
        """Give the role other variables from now on."""
        self._variables |= {f"training_instance_{name}": value for name, value in variables.items()}

    def apply(self, *plan: str) -> subprocess.CompletedProcess[str]:
        stopping = threading.Event()
        hosts = threading.Thread(target=self._play, args=[list(plan), stopping])
        hosts.start()
        command = [Path(sys.executable).with_name("ansible-playbook"), "-i", "hosts.yml", "-e", json.dumps(self._variables)]
        try:
            return subprocess.run(
                [*command, "play.yml"],
                cwd=self._directory,
                env=self._environment,
                capture_output=True,
                text=True,
                timeout=300,
                check=False,
            )
        finally:
            stopping.set()
            hosts.join()

    def instances(self, *states: str) -> list[dict[str, Any]]:
        filters = [{"Name": "tag:Job", "Values": ["small"]}]
        if states:
            filters.append({"Name": "instance-state-name", "Values": list(states)})
        reservations = self.ec2.describe_instances(Filters=filters)["Reservations"]
        return [instance for each in reservations for instance in each["Instances"]]

    def user_data(self, instance: dict[str, Any]) -> dict[str, Any]:
        value = self.ec2.describe_instance_attribute(InstanceId=instance["InstanceId"], Attribute="userData")
        text = base64.b64decode(value["UserData"]["Value"]).decode()
        assert text.startswith("#cloud-config\n")
        found: dict[str, Any] = yaml.safe_load(text)
        return found

    def _write(self, name: str, text: str) -> None:
        self.s3.put_object(Bucket="models", Key=f"{PREFIX}/{name}", Body=text.encode())

    def _play(self, plan: list[str], stopping: threading.Event) -> None:
        seen: set[str] = set()
        while not stopping.is_set():
            for instance in self.instances("running"):
                identity = instance["InstanceId"]
                if identity in seen:
                    continue
                seen.add(identity)
                outcome = plan.pop(0)
                epochs = [json.dumps({"epoch": epoch, "train_loss": 0.5}) for epoch in range(1, len(seen) + 2)]
                self._write("history.jsonl", "\n".join(epochs))
                self._write("log.txt", "first\nlast words")
                if outcome == "silent":
                    continue
                if outcome == "finished":
                    self._write("run/run.json", "{}")
                if outcome == "lost":
                    self._write("setup.log", f"{identity}\nno space left")
                    self.ec2.terminate_instances(InstanceIds=[identity])
                else:
                    state = {"instance_id": identity, "outcome": outcome, "reason": "oom-kill, status KILL"}
                    self._write("state.json", json.dumps(state))
            time.sleep(0.1)


@pytest.fixture
def controller(tmp_path: Path) -> Iterator[Controller]:
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    try:
        port = server.get_host_and_port()[1]
        yield Controller(tmp_path, f"http://127.0.0.1:{port}")
    finally:
        urllib3.request("POST", f"http://127.0.0.1:{port}/moto-api/reset", timeout=30)
        server.stop()


def test_an_interrupted_job_is_taken_up_by_another_instance_and_is_not_done_twice(
    controller: Controller, tmp_path: Path
) -> None:
    run = controller.apply("interrupted", "finished")
    assert run.returncode == 0, run.stdout
    assert (tmp_path / "runs/small/run.json").read_text() == "{}"
    assert [run.stdout.count(f"epoch {epoch}: loss 0.5") for epoch in (1, 2, 3)] == [1, 1, 1]
    assert len(controller.instances()) == 2
    assert controller.instances("pending", "running", "stopping", "stopped") == []
    again = controller.apply()
    assert (again.returncode, "changed=0" in again.stdout) == (0, True), again.stdout
    assert len(controller.instances()) == 2


def test_a_host_is_told_the_job_and_the_digest_of_the_code_and_no_secret_but_addresses(
    controller: Controller, tmp_path: Path
) -> None:
    run = controller.apply("finished")
    assert run.returncode == 0, run.stdout
    assert "X-Amz-Signature" not in run.stdout
    (instance,) = controller.instances()
    told = controller.user_data(instance)
    files = {item["path"]: item for item in told["write_files"]}
    job = Job.model_validate_json(files["/etc/pettracker-training/job.json"]["content"])
    assert (job.bucket, job.prefix, job.settings) == ("models", PREFIX, {"training.epochs": "3"})
    assert yaml.safe_load(files["/etc/pettracker-training/config.yml"]["content"])["name"] == "iris"
    scripts = [files[f"/opt/pettracker-training/{name}"] for name in ("install", "first-boot")]
    assert told["runcmd"] == [["/opt/pettracker-training/first-boot"]]
    for script in scripts:
        assert script["permissions"] == "0700"
        (tmp_path / "script").write_text(script["content"])
        subprocess.run([Path(sys.executable).with_name("shellcheck"), tmp_path / "script"], check=True)
    assert f"{'0' * 64}  wheelhouse.tar.gz" in scripts[0]["content"]
    assert "--require-hashes" in scripts[0]["content"]


@pytest.mark.parametrize(
    ("outcome", "told"),
    [
        ("failed", ["failed (oom-kill, status KILL)", "last words"]),
        ("lost", ["ended without a result", "no space left"]),
        ("silent", ["has said nothing for 0.02 minutes", "get-console-output"]),
    ],
)
def test_a_job_that_fails_ends_with_its_last_lines_and_without_an_instance(
    controller: Controller, outcome: str, told: list[str]
) -> None:
    if outcome == "silent":
        controller.set(setup_minutes=0.02)
    run = controller.apply(outcome)
    assert run.returncode != 0
    said = " ".join(run.stdout.split())
    assert all(words in said for words in told), run.stdout
    assert controller.instances("pending", "running", "stopping", "stopped") == []
