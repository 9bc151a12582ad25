"""The roles publish and fetch the pinned model, and nothing that no trusted key has signed."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from moto.s3.models import s3_backends
from moto.server import ThreadedMotoServer

from bundle import digest_of, load
from bundle.signing import sign
from tests.bundle.small import signed_bundle, write_keys
from tests.roles.controllers import environment_of

ROOT = Path(__file__).parents[2]
BUCKET = "models"
PLAY = [
    {
        "hosts": "localhost",
        "gather_facts": False,
        "tasks": [
            {"ansible.builtin.import_role": {"name": "published_model"}},
            {
                "ansible.builtin.copy": {
                    "content": "{{ published_model_result | to_json }}",
                    "dest": "result.json",
                    "mode": "0644",
                }
            },
        ],
    }
]


class Controller:
    """Runs the role against a bucket of an emulated S3."""

    def __init__(self, directory: Path, endpoint: str) -> None:
        self._directory = directory
        self._environment = environment_of(endpoint)
        self._s3: Any = boto3.client("s3", endpoint_url=endpoint, aws_access_key_id="testing", aws_secret_access_key="testing")
        self._s3.create_bucket(Bucket=BUCKET)
        (directory / "play.yml").write_text(json.dumps(PLAY))
        (directory / "bin").mkdir()
        (directory / "bin/systemctl").symlink_to("/bin/true")
        self._environment["PATH"] = f"{directory}/bin:{self._environment['PATH']}"
        inventory = {"all": {"hosts": {"localhost": {"ansible_connection": "local"}}}}
        inventory["all"]["hosts"]["localhost"]["ansible_python_interpreter"] = sys.executable
        (directory / "hosts.yml").write_text(json.dumps(inventory))

    def apply(self, digest: str, **variables: str) -> subprocess.CompletedProcess[str]:
        pinned = {"bucket": BUCKET, "name": "small", "version": "0.1.0", "digest": digest, **variables}
        return self._play("play.yml", {f"published_model_{name}": value for name, value in pinned.items()})

    def _play(self, playbook: str, variables: dict[str, str]) -> subprocess.CompletedProcess[str]:
        extra = json.dumps(variables)
        command = [Path(sys.executable).with_name("ansible-playbook"), "-i", "hosts.yml", "-e", extra, playbook]
        return subprocess.run(
            command, cwd=self._directory, env=self._environment, capture_output=True, text=True, timeout=120, check=False
        )

    def put(self, key: str, body: bytes) -> None:
        self._s3.put_object(Bucket=BUCKET, Key=key, Body=body)

    def fetch(self, digest: str, public_key: str) -> subprocess.CompletedProcess[str]:
        """Let this machine fetch the model as a host does, below `host`."""
        tasks = {"ansible.builtin.include_role": {"name": "inference_service", "tasks_from": "bundle"}}
        play = [{"hosts": "localhost", "gather_facts": False, "tasks": [tasks]}]
        (self._directory / "fetch.yml").write_text(json.dumps(play))
        given = {"model_bucket": BUCKET, "model_name": "small", "model_version": "0.1.0", "public_key": public_key}
        variables = {f"inference_service_{name}": value for name, value in (given | {"model_digest": digest}).items()}
        variables["inference_service_unit"] = "none.service"
        variables["inference_service_directory"] = str(self._directory / "host")
        variables["inference_service_config_directory"] = str(self._directory)
        variables["__inference_service_venv_python"] = sys.executable
        variables["__inference_service_public_key_file"] = str(self._directory / "bundle.pub")
        return self._play("fetch.yml", variables)

    def result(self) -> dict[str, str]:
        found: dict[str, str] = json.loads((self._directory / "result.json").read_text())
        return found

    def published(self) -> set[str]:
        objects = self._s3.list_objects_v2(Bucket=BUCKET).get("Contents", [])
        return {item["Key"].removeprefix("production/small/0.1.0/") for item in objects}


@pytest.fixture
def controller(tmp_path: Path) -> Iterator[Controller]:
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    try:
        _, port = server.get_host_and_port()
        yield Controller(tmp_path, f"http://127.0.0.1:{port}")
    finally:
        s3_backends.reset()
        server.stop()


def test_a_signed_model_is_published_once(controller: Controller, tmp_path: Path) -> None:
    root, public_key = signed_bundle(tmp_path / "bundle")
    pinned = {"digest": load(root).digest, "source": str(root), "public_key": public_key.read_text()}
    first = controller.apply(**pinned)
    assert first.returncode == 0, first.stdout
    assert controller.result()["backend"] == "openvino"
    assert {"manifest.json", "model.sig", "openvino/model.bin"} <= controller.published()

    again = controller.apply(**pinned)
    assert (again.returncode, "changed=0" in again.stdout) == (0, True), again.stdout


def test_what_the_key_has_not_signed_is_not_published(controller: Controller, tmp_path: Path) -> None:
    root, public_key = signed_bundle(tmp_path / "bundle")
    digest = load(root).digest
    other_key = write_keys(tmp_path, "other")[1]
    refused = controller.apply(digest, source=str(root), public_key=other_key.read_text())
    assert refused.returncode != 0
    assert "model.sig: was not made with the private key" in refused.stdout
    assert controller.published() == set()

    nowhere = controller.apply(digest, public_key=public_key.read_text())
    assert nowhere.returncode != 0
    assert "has no production/small/0.1.0/manifest.json and no production/small/0.1.0/model.sig" in nowhere.stdout


@pytest.mark.skipif(os.geteuid() != 0, reason="what hosts fetch is root's")
def test_a_host_switches_to_what_is_published_and_keeps_it_when_the_next_is_refused(
    controller: Controller, tmp_path: Path
) -> None:
    root, public_key = signed_bundle(tmp_path / "bundle")
    digest = load(root).digest
    published = controller.apply(digest, source=str(root), public_key=public_key.read_text())
    assert published.returncode == 0, published.stdout
    fetched = controller.fetch(digest, public_key.read_text())
    assert fetched.returncode == 0, fetched.stdout
    assert load(tmp_path / "host/bundle").digest == digest

    controller.put("production/small/0.1.0/openvino/model.bin", b"these are not the weights")
    refused = controller.fetch(digest, public_key.read_text())
    assert refused.returncode != 0
    assert (
        "the host keeps the one it had: s3://models/production/small/0.1.0/openvino/model.bin could not be fetched"
        in " ".join(refused.stdout.split())
    )
    assert load(tmp_path / "host/bundle").digest == digest


def test_a_name_that_leaves_the_bundle_becomes_no_file_on_a_host(controller: Controller, tmp_path: Path) -> None:
    root, public_key = signed_bundle(tmp_path / "bundle")
    document = json.loads((root / "manifest.json").read_bytes())
    document["files"]["../../planted"] = document["files"]["MODEL_CARD.md"]
    (root / "manifest.json").write_text(json.dumps(document))
    sign(root, tmp_path / "bundle.pem")
    for file in root.rglob("*"):
        if file.is_file():
            controller.put(f"production/small/0.1.0/{file.relative_to(root)}", file.read_bytes())
    controller.put("production/small/0.1.0/../../planted", (root / "MODEL_CARD.md").read_bytes())
    refused = controller.fetch(digest_of((root / "manifest.json").read_bytes()), public_key.read_text())
    assert refused.returncode != 0
    assert "'../../planted' is not a plain relative path" in refused.stdout
    assert not (tmp_path / "host").exists()
    assert not (tmp_path / "planted").exists()
