"""What Ansible is told when it runs against an emulated account."""

import os
from pathlib import Path

from inference.metric_table import METRICS

ROOT = Path(__file__).parents[2]
# What the judge of rollouts reads of a service's metrics, by its keys.
COUNTED = {key: METRICS[key].prometheus for key in ("requests", "request_seconds")}


def environment_of(endpoint: str) -> dict[str, str]:
    """Return the environment of a process that uses this project's configuration and an account of us-east-1."""
    return os.environ | {
        "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"),
        "AWS_ENDPOINT_URL": endpoint,
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_REGION": "us-east-1",
    }


def inventory_of(environment: str) -> list[str]:
    """Return the arguments that give Ansible an environment's variables, and no host but the controller."""
    files = ("common/hosts.yml", f"{environment}/environment.yml")
    return [f"--inventory={ROOT}/inventories/{file}" for file in files]
