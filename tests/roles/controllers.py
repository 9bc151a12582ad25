"""What Ansible is told when it runs against an emulated account."""

from __future__ import annotations

import os
from pathlib import Path

ROOT = Path(__file__).parents[2]


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


def like_playbooks(directory: Path) -> None:
    """Let a playbook in a directory see the variables that the project's own playbooks see."""
    for folder in ("group_vars", "vars"):
        (directory / folder).symlink_to(ROOT / "playbooks" / folder)
