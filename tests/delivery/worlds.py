"""A clone with its origin, an account and models to release, for the tests of the release."""

import hashlib
import io
import shutil
import subprocess
import tarfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3

from bundle import seal
from bundle.keys import PURPOSES, TrustedKey
from bundle.loading import load
from bundle.signing import sign
from delivery.environment import Environment, Pin, read_environment
from delivery.release.gate import Image
from delivery.release.keys import keys_file, new_key, write
from delivery.release.pins import rewrite
from tests.bundle.small import small_bundle, write_keys

REPOSITORY = Path(__file__).parents[2]
ACCOUNT = "123456789012"
MODELS = f"pettracker-staging-{ACCOUNT}-models"
RELEASES = f"pettracker-staging-{ACCOUNT}-releases"
BASE_NAME = "debian-12-amd64-20260101"


def git(tree: Path, *arguments: str) -> str:
    done = subprocess.run(["git", *arguments], cwd=tree, capture_output=True, text=True, check=True)
    return done.stdout.strip()


@dataclass
class World:
    """A clone of a small repository with this project's inventories, and the account of its staging environment."""

    root: Path
    private_key: Path
    public_key: Path

    @property
    def inventory(self) -> Path:
        return self.root / "inventories/staging/group_vars/all/main.yml"

    def environment(self) -> Environment:
        return read_environment("staging", self.root)

    def bundle(self, version: str = "1.0.0", accuracy: float | None = 0.95, key: Path | None = None) -> Path:
        """Make a signed bundle named `small`."""
        root = small_bundle(self.root.parent / f"bundle-{version}-{accuracy}", version)
        manifest = load(root).manifest.model_dump(exclude={"files"})
        manifest["metrics"] = {} if accuracy is None else {"test_accuracy": accuracy}
        seal(root, manifest)
        sign(root, key or self.private_key)
        return root

    def trust(self, keys: Sequence[TrustedKey]) -> None:
        """Let the inventory trust these keys."""
        write(keys_file(self.root, "staging"), keys)

    def pin(self, pin: Pin) -> None:
        """Merge a pin: commit it and push it to the origin's main branch."""
        self.inventory.write_text(rewrite(self.inventory.read_text(), pin, "staging"))
        git(self.root, "commit", "--quiet", "--all", "--message", f"Release {pin.name} {pin.version}")
        git(self.root, "push", "--quiet", "origin", "main")

    def other_keys(self) -> tuple[Path, Path]:
        return write_keys(self.root.parent, "other")


def make_world(directory: Path, keys: tuple[Path, Path]) -> World:
    """Make the clone and the buckets."""
    private, public = keys
    root = directory / "clone"
    for folder in ("inventories", "collections/ansible_collections/pettracker/aws/plugins/inventory"):
        shutil.copytree(REPOSITORY / folder, root / folder)
    for file in ("ansible.cfg", ".gitignore"):
        shutil.copy(REPOSITORY / file, root / file)
    world = World(root, private, public)
    world.trust([new_key(public, PURPOSES, None)])
    origin = directory / "origin.git"
    git(directory, "init", "--quiet", "--bare", "--initial-branch", "main", str(origin))
    git(root, "init", "--quiet", "--initial-branch", "main")
    git(root, "remote", "add", "origin", str(origin))
    git(root, "config", "user.name", "A Person")
    git(root, "config", "user.email", "person@example.org")
    git(root, "add", "--all")
    git(root, "commit", "--quiet", "--message", "Begin")
    git(root, "push", "--quiet", "origin", "main")
    s3 = boto3.client("s3")
    for bucket in (MODELS, RELEASES):
        s3.create_bucket(Bucket=bucket)
    return world


def register_image(pin: Pin) -> Image:
    """Register a verified image of a model, and publish the packages of its hosts, as playbooks/gate.yml does."""
    ec2: Any = boto3.client("ec2")
    content = hashlib.sha256(pin.digest.encode()).hexdigest()
    tags = {"Verified": "true", "ContentDigest": content, "ModelDigest": pin.digest, "Environment": "staging"}
    found = ec2.describe_images(Owners=["self"], Filters=[{"Name": "tag:ContentDigest", "Values": [content]}])["Images"]
    if not found:
        image = ec2.register_image(Name=content[:12], RootDeviceName="/dev/xvda")["ImageId"]
        ec2.create_tags(Resources=[image], Tags=[{"Key": key, "Value": value} for key, value in tags.items()])
        found = ec2.describe_images(ImageIds=[image])["Images"]
    buffer = io.BytesIO()
    lines = f"numpy==2.4.6 --hash=sha256:{'1' * 64}\ntornado==6.6.1 --hash=sha256:{'2' * 64}\n".encode()
    with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
        member = tarfile.TarInfo("requirements.txt")
        member.size = len(lines)
        archive.addfile(member, io.BytesIO(lines))
    sha256 = hashlib.sha256(buffer.getvalue()).hexdigest()
    boto3.client("s3").put_object(Bucket=RELEASES, Key=f"wheelhouse/{sha256}.tar.gz", Body=buffer.getvalue())
    return Image(
        image_id=found[0]["ImageId"],
        created="2026-01-02T03:04:05.000Z",
        content_digest=content,
        base_image_id="ami-12345678",
        base_image_name=BASE_NAME,
        code_revision="0" * 40,
        model_digest=pin.digest,
        releases_bucket=RELEASES,
        wheelhouse_key=f"wheelhouse/{sha256}.tar.gz",
        wheelhouse_sha256=sha256,
        packages_key=f"images/{content}/packages.json",
        packages_purl="deb/debian",
    )
