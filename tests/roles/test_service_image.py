"""Which image the service is made of: the newest verified one of the pinned model, or the one that is pinned."""

import json
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import boto3
import pytest
import yaml
from moto.ec2.models import ec2_backends
from moto.server import ThreadedMotoServer

from tests.roles.controllers import environment_of, inventory_of

ROOT = Path(__file__).parents[2]
DIGEST = "sha256:" + "a" * 64
PLAY = [
    {
        **{"hosts": "localhost", "gather_facts": False},
        "vars": {"service_fleets": {}, **{"model_name": "pets", "model_version": "1.0.0", "model_digest": DIGEST}},
        "tasks": [
            {"ansible.builtin.import_tasks": str(ROOT / "playbooks/tasks/find_service_parts.yml")},
            {"ansible.builtin.debug": {"msg": "the service is made of {{ autoscaling_group_image_id }}"}},
        ],
    }
]


IMAGES = [{"image_id": "ami-0123", "creation_date": "2026-11-01"}]


class Account:
    """An emulated account with images, and `playbooks/tasks/find_service_parts.yml` to look at it."""

    def __init__(self, endpoint: str, directory: Path) -> None:
        self._environment = environment_of(endpoint)
        self._ec2 = boto3.client(
            "ec2", endpoint_url=endpoint, region_name="us-east-1", aws_access_key_id="testing", aws_secret_access_key="testing"
        )
        vpc = [{"ResourceType": "vpc", "Tags": [{"Key": "Name", "Value": "pettracker-dev"}]}]
        self._ec2.create_vpc(CidrBlock="10.0.0.0/16", TagSpecifications=vpc)
        s3 = boto3.client("s3", endpoint_url=endpoint, aws_access_key_id="testing", aws_secret_access_key="testing")
        s3.create_bucket(Bucket="pettracker-dev-123456789012-releases")
        self._directory = directory
        (directory / "play.yml").write_text(json.dumps(PLAY))
        (directory / "tasks").symlink_to(ROOT / "playbooks/tasks")

    def image(self, day: int, verified: str = "true", digest: str = DIGEST) -> str:
        """Return the identity of an image that was made on a day."""
        identity: str = self._ec2.register_image(Name=f"pettracker-dev-{day}")["ImageId"]
        tags = {"Project": "pettracker", "Environment": "dev", "ModelDigest": digest, "Verified": verified}
        self._ec2.create_tags(Resources=[identity], Tags=[{"Key": key, "Value": value} for key, value in tags.items()])
        (backend,) = (regions["us-east-1"] for regions in ec2_backends.values() if identity in regions["us-east-1"].amis)
        backend.amis[identity].creation_date = datetime(2026, 11, day, tzinfo=UTC)
        return identity

    def look(self, pinned: str = "", made: str = "") -> subprocess.CompletedProcess[str]:
        result = {"needed": bool(made), "image_id": made or "ami-0"}
        pin = {"service_image_id": pinned, "machine_image_result": result}
        return self.run(pin, "play.yml", *([] if made else ["--check"]))

    def run(self, variables: dict[str, Any], *arguments: str) -> subprocess.CompletedProcess[str]:
        program = Path(sys.executable).with_name("ansible-playbook")
        return subprocess.run(
            [program, *inventory_of("dev"), "-e", json.dumps(variables), *arguments],
            cwd=self._directory,
            env=self._environment,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )

    def first_fleet(self) -> subprocess.CompletedProcess[str]:
        """What playbooks/service.yml does before it makes anything: where there is a fleet, and where there is none."""
        (service,) = yaml.safe_load((ROOT / "playbooks/service.yml").read_text())
        (asked,) = (task for task in service["pre_tasks"] if "first fleet" in task["name"])
        plays = []
        for exists in (True, False):
            found = {"live": {"exists": exists}, "other": {"exists": False}}
            known = PLAY[0]["vars"] | {"service_fleets": found, "account_id": "123456789012", "images": {"images": IMAGES}}
            done = {"ansible.builtin.debug": {"msg": f"on with a fleet: {exists}"}}
            plays.append(PLAY[0] | {"vars": known, "tasks": [asked, done]})
        (self._directory / "first.yml").write_text(json.dumps(plays))
        return self.run({"release_record_required": True, "service_image_id": ""}, "first.yml")


@pytest.fixture
def account(tmp_path: Path) -> Iterator[Account]:
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    try:
        _, port = server.get_host_and_port()
        yield Account(f"http://127.0.0.1:{port}", tmp_path)
    finally:
        ec2_backends.reset()
        server.stop()


def test_the_newest_verified_image_serves_unless_another_one_is_pinned(account: Account) -> None:
    newest, older = account.image(2), account.image(1)
    unverified = account.image(3, verified="false")
    of_another_model = account.image(4, digest="sha256:" + "b" * 64)
    assert f"the service is made of {newest}" in account.look().stdout
    assert f"the service is made of {older}" in account.look(pinned=older).stdout
    # This run has verified it, and EC2 does not show the tag yet.
    assert f"the service is made of {unverified}" in account.look(made=unverified).stdout
    refused = account.look(pinned=of_another_model)
    assert (refused.returncode, f"dev has no verified image {of_another_model} of pets 1.0.0" in refused.stdout) == (2, True)


def test_the_first_fleet_of_what_nobody_has_released_is_not_made(account: Account) -> None:
    done = account.first_fleet()
    assert "on with a fleet: True" in done.stdout
    assert "on with a fleet: False" not in done.stdout
    assert done.returncode == 2
    assert "ami-0123 with pets 1.0.0 has no release record in dev: run make release ENV=dev" in " ".join(done.stdout.split())
