"""What an inventory says about releases: read through Ansible, so that there is one source for every name."""

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
from botocore.exceptions import BotoCoreError, ClientError, NoCredentialsError, PartialCredentialsError

from bundle.keys import KeysError, TrustedKeys, parse_keys
from release.errors import ReleaseError
from release.inventories import environments, sources

ROOT = Path(__file__).parents[1]
LOCAL = "local"

# Asked of Ansible as one template; a variable that an inventory lacks is left out.
_WANTED = {
    "project": "{{ project }}",
    "region": "{{ aws_region }}",
    "expected_account": "{{ expected_account_id }}",
    "tags": "{{ resource_tags }}",
    "models_bucket": "{{ bucket_names.models }}",
    "releases_bucket": "{{ bucket_names.releases }}",
    "keys": "{{ trusted_keys }}",
    "min_accuracy": "{{ model_min_accuracy | default(0) }}",
    "model_name": "{{ model_name }}",
    "model_version": "{{ model_version | default('') }}",
    "model_digest": "{{ model_digest | default('') }}",
}


@dataclass(frozen=True)
class Pin:
    """A model as an inventory names it."""

    name: str
    version: str
    digest: str

    def __str__(self) -> str:
        return f"{self.name} {self.version} ({self.digest})"


@dataclass(frozen=True)
class Environment:
    """One environment, as its inventory describes it.

    Attributes:
        root: of the work tree.
        tags: that everything of the environment carries.
        keys: whose signatures of models and records are trusted.
        min_accuracy: lowest test accuracy (0 to 1) that is released; 0: any.
        pin: None before the first release.
    """

    root: Path
    name: str
    project: str
    region: str
    account: str
    tags: dict[str, str]
    models_bucket: str
    releases_bucket: str
    keys: TrustedKeys
    min_accuracy: float
    pin: Pin | None

    @property
    def is_local(self) -> bool:
        """The rehearsal: its pin is in files of the running local cloud, not in Git."""
        return self.name == LOCAL

    @property
    def current_parameter(self) -> str:
        """Name of the SSM parameter that points to the current release."""
        return f"/{self.project}/{self.name}/release/current"

    def public_key_file(self) -> Path:
        """Write the trusted keys where commands that take a file find them; return the path."""
        path = self.root / ".cache" / "releases" / f"{self.name}.keys.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps([key.model_dump(mode="json") for key in self.keys.keys]))
        return path


def ask_inventory(name: str, root: Path = ROOT) -> tuple[str, dict[str, Any]]:
    """Return the account of the credentials and what the inventory says, after a look at whether they belong together.

    Raises:
        ReleaseError: no such environment, no credentials, another account, or the inventory cannot be read.
    """
    known = environments(root)
    if name not in known:
        raise ReleaseError(f"there is no environment '{name}'; choose one of: {', '.join(known)}")
    account = _account(name)
    said = _ask_ansible(root, name, account)
    if said["expected_account"] not in ("", account):
        raise ReleaseError(
            f"these credentials belong to account {account}, but {name} is in account {said['expected_account']}; use that "
            "account's credentials"
        )
    return account, said


def read_environment(name: str, root: Path = ROOT) -> Environment:
    """Read an environment, and see that the credentials belong to it.

    Raises:
        ReleaseError: no such environment, no credentials, another account, no key, or the inventory cannot be read.
    """
    account, said = ask_inventory(name, root)
    if not said["keys"]:
        raise ReleaseError(
            f"inventories/{name} trusts no keys: releases are signed, so make a pair for models and one for records, and add "
            f"their public halves with `python -m release keys add FILE --env {name}` (docs/operate.md, Signatures)"
        )
    try:
        keys = parse_keys(json.dumps(said["keys"]), f"the signing_keys of inventories/{name}")
    except KeysError as error:
        raise ReleaseError(str(error)) from None
    # For every client of this process and for what it starts, as the plays' own environment says it.
    os.environ["AWS_REGION"] = os.environ["AWS_DEFAULT_REGION"] = said["region"]
    pin = Pin(said["model_name"], said["model_version"], said["model_digest"])
    return Environment(
        root=root,
        name=name,
        project=said["project"],
        region=said["region"],
        account=account,
        tags=said["tags"],
        models_bucket=said["models_bucket"],
        releases_bucket=said["releases_bucket"],
        keys=keys,
        min_accuracy=float(said["min_accuracy"]),
        pin=pin if pin.version and pin.digest else None,
    )


def _account(name: str) -> str:
    # The identity service answers in every region.
    region = os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION") or "us-east-1"
    try:
        account: str = boto3.client("sts", region_name=region).get_caller_identity()["Account"]
    except (NoCredentialsError, PartialCredentialsError):
        raise ReleaseError(
            f"there are no AWS credentials: give those of {name} in the environment (AWS_PROFILE, or AWS_ACCESS_KEY_ID and "
            "AWS_SECRET_ACCESS_KEY)"
        ) from None
    except (BotoCoreError, ClientError) as error:
        raise ReleaseError(f"the AWS credentials are not accepted: {error}") from None
    return account


def _ask_ansible(root: Path, name: str, account: str) -> dict[str, Any]:
    common, own = sources(root, name)
    done = subprocess.run(
        [
            *(str(Path(sys.executable).with_name("ansible")), "localhost", "--one-line"),
            # The files that ask nobody for hosts.
            *("--inventory", str(common / "hosts.yml"), "--inventory", str(own / "environment.yml")),
            *("--extra-vars", json.dumps({"account_id": account})),
            *("--module-name", "ansible.builtin.debug", "--args", json.dumps({"msg": _WANTED})),
        ],
        cwd=root,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise ReleaseError(f"inventories/{name} cannot be read: {(done.stderr + done.stdout).strip()}")
    said: dict[str, Any] = json.loads(done.stdout.partition("=>")[2])["msg"]
    return said
