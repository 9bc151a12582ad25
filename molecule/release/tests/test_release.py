"""What reaches the fleet is what was signed, is good enough and has answered its golden set on a real host."""

import json
import os
import shutil
import ssl
import subprocess
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

import boto3
import pytest

from bundle import seal
from bundle.signing import sign

ROOT = Path(__file__).resolve().parents[3]
KEY = ROOT / ".localcloud/model/signing-key.pem"
RELEASE_SECONDS = 1800
pytestmark = pytest.mark.timeout(2 * RELEASE_SECONDS)


def release(model: str | Path) -> subprocess.CompletedProcess[str]:
    """Run what `make release MODEL=... ENV=local` runs."""
    return subprocess.run(
        [ROOT / "scripts/release", "local", "run", "--json", str(model)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=RELEASE_SECONDS,
        check=False,
    )


def ask(path: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
    """Ask the fleet through its balancer."""
    request = urllib.request.Request(
        os.environ["SERVICE_URL"] + path,
        data=None if body is None else json.dumps(body).encode(),
        headers={"Content-Type": "application/json"},
    )
    context = ssl.create_default_context(cafile=os.environ["SERVICE_CA"])
    with urllib.request.urlopen(request, timeout=30, context=context) as response:
        answer: dict[str, Any] = json.load(response)
    return answer


def served() -> str:
    digest: str = ask("/version")["model"]["digest"]
    return digest


@pytest.fixture(scope="module")
def old_digest() -> str:
    return served()


def damaged(bundle: Path, root: Path) -> Path:
    shutil.copytree(bundle, root)
    with (root / "model.safetensors").open("r+b") as file:
        file.seek(-1, os.SEEK_END)
        last = file.read(1)
        file.seek(-1, os.SEEK_END)
        file.write(bytes([last[0] ^ 1]))
    return root


def changed(bundle: Path, root: Path, change: Callable[[Path, dict[str, Any]], None]) -> Path:
    """Return a copy with another manifest or other files, sealed and signed anew: consistent, and not good."""
    shutil.copytree(bundle, root)
    manifest = json.loads((root / "manifest.json").read_bytes())
    del manifest["files"]
    change(root, manifest)
    seal(root, manifest)
    sign(root, KEY)
    return root


def test_a_tampered_bundle_is_refused_and_the_fleet_serves_the_old_model(bundle: Path, tmp_path: Path, old_digest: str) -> None:
    done = release(damaged(bundle, tmp_path / "bundle"))
    assert done.returncode == 1
    assert "the bundle is refused: model.safetensors: its content was changed" in done.stderr
    assert served() == old_digest


def test_a_model_below_the_floor_is_refused_and_the_fleet_serves_the_old_model(
    bundle: Path, tmp_path: Path, old_digest: str
) -> None:
    def worse(_root: Path, manifest: dict[str, Any]) -> None:
        manifest["metrics"]["test_accuracy"] = 0.5
        manifest["version"] = "0.9.0"

    done = release(changed(bundle, tmp_path / "bundle", worse))
    assert done.returncode == 1
    assert "has a test accuracy of 50.0%, below the 90.0% that local asks for" in done.stderr
    assert served() == old_digest


def test_a_model_whose_golden_set_a_host_does_not_answer_never_becomes_an_image(
    bundle: Path, tmp_path: Path, old_digest: str
) -> None:
    def lie(root: Path, manifest: dict[str, Any]) -> None:
        golden = root / "golden/answers.json"
        answers = json.loads(golden.read_text())
        for case in answers["cases"]:
            case["top"][0]["class_id"] = (case["top"][0]["class_id"] + 1) % 3
            del case["top"][1:]
        golden.write_text(json.dumps(answers))
        manifest["version"] = "0.9.1"

    root = changed(bundle, tmp_path / "bundle", lie)
    done = release(root)
    assert done.returncode == 1
    assert "did not pass the golden-set gate on a host of local" in done.stderr
    assert images(json.loads((root / "manifest.json").read_bytes())["version"]) == []
    assert served() == old_digest
    assert (ROOT / ".localcloud/model/digest").read_text() == old_digest


def test_a_good_model_is_released_recorded_and_served(bundle: Path, digest: str, old_digest: str) -> None:
    done = release(bundle)
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr
    record = json.loads(done.stdout.splitlines()[-1])
    assert (record["state"], record["changed"], record["model"]["digest"]) == ("released", True, digest)
    assert served() == old_digest  # ready for rollout, and not rolled out

    subprocess.run(["make", "rollout", "ENV=local"], cwd=ROOT, check=True, timeout=RELEASE_SECONDS)
    assert served() == digest
    answer = ask("/predict", {"features": [5.1, 3.5, 1.4, 0.2]})
    assert (answer["predictions"][0]["class"], answer["model"]["digest"]) == ("setosa", digest)
    deployed = boto3.client("ssm").get_parameter(Name="/pettracker/local/release/deployed")["Parameter"]["Value"]
    assert deployed.endswith(f"/local/{record['id']}.json")


def test_a_second_release_changes_nothing(bundle: Path) -> None:
    parameters = boto3.client("ssm")
    before = parameters.get_parameter(Name="/pettracker/local/release/current")["Parameter"]
    done = release(bundle)
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr
    assert json.loads(done.stdout.splitlines()[-1])["changed"] is False
    after = parameters.get_parameter(Name="/pettracker/local/release/current")["Parameter"]
    assert (after["Value"], after["Version"]) == (before["Value"], before["Version"])
    assert len(images("1.0.0")) == 1


def test_the_release_is_verified_with_everything_that_it_names(digest: str) -> None:
    done = subprocess.run([ROOT / "scripts/release", "local", "verify"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "verified: iris-1.0.0-" in done.stdout


def test_the_bill_of_materials_names_the_packages_of_a_host_and_of_its_system() -> None:
    shown = subprocess.check_output([ROOT / "scripts/release", "local", "show", "--json"], cwd=ROOT, text=True)
    record = json.loads(shown)
    bucket = "pettracker-local-123456789012-releases"
    sbom = json.loads(boto3.client("s3").get_object(Bucket=bucket, Key=record["sbom"]["key"])["Body"].read())
    names = {item["purl"].split("@")[0] for item in sbom["components"]}
    assert {"pkg:pypi/openvino", "pkg:pypi/tornado", "pkg:deb/debian/systemd", "pkg:generic/iris"} <= names


def images(version: str) -> list[str]:
    filters = [{"Name": "tag:ModelName", "Values": ["iris"]}, {"Name": "tag:ModelVersion", "Values": [version]}]
    return [image["ImageId"] for image in boto3.client("ec2").describe_images(Owners=["self"], Filters=filters)["Images"]]
