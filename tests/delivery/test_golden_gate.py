"""The last play of the gate lets a verified image pass, and nothing else."""

import json
import os
import subprocess
import sys
from pathlib import Path

import boto3
import pytest

from delivery.release.gate import Image
from tests.delivery.worlds import REPOSITORY

DIGEST, CONTENT = f"sha256:{'a' * 64}", "b" * 64
TAGS = {
    "Verified": "true",
    "ContentDigest": CONTENT,
    "ModelDigest": DIGEST,
    "BaseImage": "ami-0",
    "BaseImageName": "debian-12",
    "CodeRevision": "c" * 40,
}


def conclude(directory: Path, image_id: str) -> subprocess.CompletedProcess[str]:
    variables = {
        "golden_gate_image_id": image_id,
        "golden_gate_content_digest": CONTENT,
        "golden_gate_model_digest": DIGEST,
        "golden_gate_releases_bucket": "releases",
        "golden_gate_wheelhouse": {"bucket": "releases", "key": "wheelhouse/d.tar.gz", "sha256": "d"},
        "golden_gate_packages_key": "images/b/packages.json",
        "golden_gate_packages_purl": "deb/debian",
        "golden_gate_output": str(directory / "found.json"),
    }
    host = {"ansible_connection": "local", "ansible_python_interpreter": sys.executable}
    (directory / "hosts.yml").write_text(json.dumps({"all": {"hosts": {"localhost": host}}}))
    tasks = [{"ansible.builtin.import_role": {"name": "golden_gate"}}]
    (directory / "play.yml").write_text(json.dumps([{"hosts": "localhost", "gather_facts": False, "tasks": tasks}]))
    playbook = Path(sys.executable).with_name("ansible-playbook")
    return subprocess.run(
        [playbook, "-i", "hosts.yml", "-e", json.dumps(variables), "play.yml"],
        cwd=directory,
        env=os.environ | {"ANSIBLE_CONFIG": str(REPOSITORY / "ansible.cfg")},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def register(tags: dict[str, str]) -> str:
    ec2 = boto3.client("ec2")
    image: str = ec2.register_image(Name="image", RootDeviceName="/dev/xvda")["ImageId"]
    ec2.create_tags(Resources=[image], Tags=[{"Key": key, "Value": value} for key, value in tags.items()])
    return image


@pytest.mark.usefixtures("account")
def test_a_verified_image_passes_and_is_written_down(tmp_path: Path) -> None:
    image = register(TAGS)
    done = conclude(tmp_path, image)
    assert done.returncode == 0, done.stdout
    found = Image.model_validate_json((tmp_path / "found.json").read_bytes())
    assert (found.image_id, found.model_digest, found.content_digest) == (image, DIGEST, CONTENT)
    assert (found.packages_key, found.wheelhouse_key) == ("images/b/packages.json", "wheelhouse/d.tar.gz")


@pytest.mark.usefixtures("account")
@pytest.mark.parametrize("change", [{"Verified": "false"}, {"ModelDigest": f"sha256:{'0' * 64}"}])
def test_another_image_does_not_pass(tmp_path: Path, change: dict[str, str]) -> None:
    done = conclude(tmp_path, register(TAGS | change))
    assert done.returncode != 0
    assert "is not a verified image of" in done.stdout
    assert not (tmp_path / "found.json").exists()
