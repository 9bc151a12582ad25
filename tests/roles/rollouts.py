"""A controller that runs the role `rollout` in an account of the local cloud, whose hosts are one small HTTP server."""

import json
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from delivery.release.rollouts import Rollout
from tests.localcloud.conftest import Cloud
from tests.localcloud.refreshing import Refreshing
from tests.roles.controllers import COUNTED, environment_of
from tests.roles.services import Services

DIGEST = "sha256:new"
DEPLOYED = "/pettracker/dev/release/deployed"
# A host's own check of its golden set, in place of the interpreter that only hosts have.
CHECK = '#!/bin/sh\ncase "$*" in *"$(cat {bad})"*) echo "cat.jpg: expected 0.9000, got 0.1000" >&2; exit 1;; esac\n'
# Seconds; a playbook that hangs is ended.
LONGEST = 540


class Controller:
    """Runs the role for the release pets-2, which version 2 of the launch template brings to a group of version 1.

    Attributes:
        bad: file with a part of the addresses of hosts that do not give the golden answers.
    """

    def __init__(self, account: Cloud, directory: Path, hosts: int, **variables: Any) -> None:
        """`variables` are further ones of the role, without its name."""
        self.account, self._directory = account, directory
        self.group = Refreshing(account, desired=hosts)
        self.s3, self.ssm, self.cloudwatch = map(account.client, ("s3", "ssm", "cloudwatch"))
        self.s3.create_bucket(Bucket="releases")
        self.template = self.group.ec2.describe_launch_templates()["LaunchTemplates"][0]["LaunchTemplateId"]
        self.services = Services(self.group.elb, DIGEST)
        self.bad = directory / "bad"
        self.bad.write_text("nobody")
        self._check = directory / "python"
        self._check.write_text(CHECK.format(bad=self.bad))
        self._check.chmod(0o755)
        golden = directory / "bundle/golden"
        golden.mkdir(parents=True)
        (golden / "answers.json").write_text(json.dumps({"cases": [{"input": "row.json"}]}))
        (golden / "row.json").write_text("{}")
        self._environment = environment_of(account.url) | account.key.environment
        # A banner comes before its task, and not with its result.
        self._environment["ANSIBLE_DISPLAY_SKIPPED_HOSTS"] = "true"
        self.variables = self._of_the_role(**variables)
        inventory = {"plugin": "amazon.aws.aws_ec2", "regions": ["us-east-1"], "hostnames": ["instance-id"]}
        (directory / "aws_ec2.yml").write_text(json.dumps(inventory))
        self.enter("group_vars/all.yml", sys.executable)
        self.play("play.yml", [{"ansible.builtin.include_role": {"name": "rollout"}}])
        take_back = {"name": "rollout", "tasks_from": "take_back"}
        self.play("take-back.yml", [{"ansible.builtin.include_role": take_back}])

    def _of_the_role(self, **more: Any) -> dict[str, Any]:
        variables: dict[str, Any] = {
            "environment": "dev",
            "region": "us-east-1",
            "group": "service",
            "launch_template_id": self.template,
            "launch_template_version": 2,
            "release": {
                **{"id": "pets-2", "recorded": True, "image_id": "ami-2"},
                **{"model_name": "pets", "model_version": "2", "model_digest": DIGEST},
            },
            "holder": "ann@laptop",
            "releases_bucket": "releases",
            "deployed_parameter": DEPLOYED,
            "abandoned_alarm": "abandoned",
            "heartbeat_namespace": "PetTracker/ML",
            "heartbeat_dimensions": {"Environment": "dev"},
            "heartbeat_seconds": 0.2,
            "lock_stale_seconds": 30,
            "rounds": 12,
            "minimum_requests": 7,
            "timeout": 120,
            # Hosts and the account are all this one process, whose time says nothing of any of them.
            "slowdown": 20,
            "service_port": 1,
        }
        # Every host is this machine, and differs by its address and by what its check says.
        return {f"rollout_{name}": value for name, value in (variables | more).items()} | {
            "__rollout_url": f"{self.services.url}/{{{{ __rollout_host }}}}",
            "rollout_bundle": str(self._directory / "bundle"),
            "rollout_metrics": COUNTED,
            "rollout_python": str(self._check),
            "__rollout_evidence_directory": f"{self._directory}/evidence-{{{{ __rollout_host }}}}",
        }

    def enter(self, file: str, interpreter: str) -> None:
        """Let a file of the inventory say that hosts are this machine, with an interpreter of their own."""
        path = self._directory / file
        path.parent.mkdir(exist_ok=True)
        path.write_text(json.dumps({"ansible_connection": "local", "ansible_python_interpreter": interpreter}))

    def play(self, name: str, tasks: list[dict[str, Any]]) -> None:
        """Write a play for the controller."""
        content = [{"hosts": "localhost", "gather_facts": False, "tasks": tasks}]
        (self._directory / name).write_text(json.dumps(content))

    def apply(
        self, play: str = "play.yml", *arguments: str, when: Mapping[str, Callable[[], Any]] | None = None, **variables: Any
    ) -> subprocess.CompletedProcess[str]:
        """Run a play; `when` says what happens as soon as it prints a line with a text, such as the name of a task."""
        ansible = Path(sys.executable).with_name("ansible-playbook")
        said = json.dumps(self.variables | variables)
        command = [str(ansible), "-i", "aws_ec2.yml", "-e", said, *arguments, play]
        lines = []
        with subprocess.Popen(
            command, cwd=self._directory, env=self._environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        ) as process:
            ending = threading.Timer(LONGEST, process.kill)
            ending.start()
            assert process.stdout
            for line in process.stdout:
                lines.append(line)
                for text, act in (when or {}).items():
                    if text in line:
                        act()
            ending.cancel()
        return subprocess.CompletedProcess(command, process.returncode, "".join(lines))

    def reports(self) -> list[dict[str, Any]]:
        listed = self.s3.list_objects_v2(Bucket="releases", Prefix="dev/rollouts/").get("Contents", [])
        bodies = [self.s3.get_object(Bucket="releases", Key=item["Key"])["Body"].read() for item in listed]
        for text in bodies:
            Rollout.model_validate_json(text)
        return [json.loads(text) for text in bodies]

    def deployed(self) -> str:
        parameters = self.ssm.get_parameters(Names=[DEPLOYED])["Parameters"]
        return parameters[0]["Value"] if parameters else ""

    def lock(self) -> dict[str, Any] | None:
        keys = [item["Key"] for item in self.s3.list_objects_v2(Bucket="releases").get("Contents", [])]
        if "dev/rollout.lock" not in keys:
            return None
        found: dict[str, Any] = json.loads(self.s3.get_object(Bucket="releases", Key="dev/rollout.lock")["Body"].read())
        return found


def said(run: subprocess.CompletedProcess[str]) -> str:
    return " ".join(run.stdout.split())
