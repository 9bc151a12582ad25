"""Runs of Ansible in check mode, whose findings the collection's callback `plan` writes down."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

# Of playbooks/site.yml; neither needs the other to look.
PARTS = ("foundation", "delivery")


@contextmanager
def check_mode(
    environment: str, directory: Path, playbooks: Sequence[str], options: Sequence[str], **settings: str
) -> Iterator[list[subprocess.Popen[bytes]]]:
    """Start playbooks side by side; whatever ends the block ends them.

    Args:
        directory: where each leaves its report, by the name of the playbook.
        options: of ansible-playbook.
        settings: of the callback, beside these.
    """
    callback = dict.fromkeys(("ANSIBLE_STDOUT_CALLBACK", "ANSIBLE_CALLBACKS_ENABLED"), "pettracker.aws.plan")
    told = os.environ | callback | {"PLAN_ENVIRONMENT": environment, "PLAN_DIRECTORY": str(directory)} | settings
    signal.signal(signal.SIGTERM, lambda number, _: sys.exit(128 + number))
    running = []
    try:
        for name in playbooks:
            command = ["ansible-playbook", "--check", f"playbooks/{name}.yml", *options]
            running.append(subprocess.Popen(command, env=told | {"PLAN_NAME": name}))
        yield running
    finally:
        for process in running:
            process.terminate()
