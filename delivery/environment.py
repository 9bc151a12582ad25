"""What an inventory says of its environment: read through Ansible, or handed over by it, so that every name has one source."""

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
from delivery.errors import DeliveryError
from delivery.inventories import environments, sources

ROOT = Path(__file__).parents[1]
LOCAL = "local"


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


def ask_inventory(name: str, root: Path = ROOT) -> dict[str, Any]:
    """Return the facts of an inventory (delivery_facts), after a look at whether the credentials belong to it.

    Raises DeliveryError for no such environment, no credentials, another account, or an inventory that cannot be read.
    """
    known = environments(root)
    if name not in known:
        raise DeliveryError(f"there is no environment '{name}'; choose one of: {', '.join(known)}")
    account = _account(name)
    facts = _ask_ansible(root, name, account)
    if facts["expected_account"] not in ("", account):
        raise DeliveryError(
            f"these credentials belong to account {account}, but {name} is in account {facts['expected_account']}; use that "
            "account's credentials"
        )
    return facts


def read_environment(name: str, root: Path = ROOT) -> Environment:
    """Read an environment, and see that the credentials belong to it. Raises as `ask_inventory` and `environment_of` do."""
    return environment_of(name, ask_inventory(name, root), root)


def environment_of(name: str, facts: dict[str, Any], root: Path = ROOT) -> Environment:
    """Return an environment as the facts of its inventory describe it. Raises DeliveryError where it trusts no keys."""
    if not facts["keys"]:
        raise DeliveryError(
            f"inventories/{name} trusts no keys: releases are signed, so make a pair for models and one for records, and add "
            f"their public halves with `python -m delivery keys add FILE --env {name}` (docs/operate.md, Signatures)"
        )
    try:
        keys = parse_keys(json.dumps(facts["keys"]), f"the signing_keys of inventories/{name}")
    except KeysError as error:
        raise DeliveryError(str(error)) from None
    # For every client of this process and for what it starts, as the plays' own environment says it.
    os.environ["AWS_REGION"] = os.environ["AWS_DEFAULT_REGION"] = facts["region"]
    pin = Pin(facts["model_name"], facts["model_version"], facts["model_digest"])
    same = {field: facts[field] for field in ("project", "region", "account", "tags", "models_bucket", "releases_bucket")}
    accuracy, pinned = float(facts["min_accuracy"]), pin if pin.version and pin.digest else None
    return Environment(root=root, name=name, keys=keys, min_accuracy=accuracy, pin=pinned, **same)


def _account(name: str) -> str:
    # The identity service answers in every region.
    region = os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION") or "us-east-1"
    try:
        account: str = boto3.client("sts", region_name=region).get_caller_identity()["Account"]
    except (NoCredentialsError, PartialCredentialsError):
        raise DeliveryError(
            f"there are no AWS credentials: give those of {name} in the environment (AWS_PROFILE, or AWS_ACCESS_KEY_ID and "
            "AWS_SECRET_ACCESS_KEY)"
        ) from None
    except (BotoCoreError, ClientError) as error:
        raise DeliveryError(f"the AWS credentials are not accepted: {error}") from None
    return account


def _ask_ansible(root: Path, name: str, account: str) -> dict[str, Any]:
    common, own = sources(root, name)
    done = subprocess.run(
        [
            *(str(Path(sys.executable).with_name("ansible")), "localhost", "--one-line"),
            # The files that ask nobody for hosts.
            *("--inventory", str(common / "hosts.yml"), "--inventory", str(own / "environment.yml")),
            *("--extra-vars", json.dumps({"account_id": account})),
            *("--module-name", "ansible.builtin.debug", "--args", json.dumps({"msg": "{{ delivery_facts }}"})),
        ],
        cwd=root,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise DeliveryError(f"inventories/{name} cannot be read: {(done.stderr + done.stdout).strip()}")
    facts: dict[str, Any] = json.loads(done.stdout.partition("=>")[2])["msg"]
    return facts
