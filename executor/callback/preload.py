"""Imports once in the process that Ansible forks its workers from what forked modules need: see executor/action/normal.py."""

import contextlib
import functools
import gc
import importlib
from pathlib import Path
from typing import Any

from ansible.plugins.callback import CallbackBase
from ansible.plugins.loader import action_loader, filter_loader, test_loader

DOCUMENTATION = r"""
name: preload
type: aggregate
short_description: Imports what AWS modules need before Ansible forks
description:
  - Each task of the AWS collections would otherwise import boto3 and read the descriptions of services anew.
  - It does nothing with the stock executor.
"""

EXECUTOR = Path(__file__).parents[1] / "action" / "normal.py"
COLLECTIONS = ("pettracker.aws", "amazon.aws", "community.aws")
# Those whose descriptions are large, or asked by many tasks. Any other works too, and is read by each task that needs it.
SERVICES = ("autoscaling", "cloudwatch", "ec2", "elbv2", "iam", "logs", "s3", "ssm", "sts")


class CallbackModule(CallbackBase):
    """Looks at each task before it is forked."""

    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "aggregate"
    CALLBACK_NAME = "preload"

    def __init__(self) -> None:
        super().__init__()
        self.disabled = Path(action_loader.find_plugin("ansible.legacy.normal") or "") != EXECUTOR

    def v2_playbook_on_start(self, playbook: Any) -> None:
        """Reads filters and tests, which each worker would read anew: all of them, as soon as a template names one."""
        for loader in (filter_loader, test_loader):
            for _ in loader.all():
                pass

    def v2_playbook_on_task_start(self, task: Any, is_conditional: bool) -> None:
        collection, _, module = (task.resolved_action or task.action).rpartition(".")
        if collection in COLLECTIONS:
            share_descriptions()
            # What cannot be imported is the task's to report.
            with contextlib.suppress(Exception):
                importlib.import_module(f"ansible_collections.{collection}.plugins.modules.{module}")
        # Garbage collection in a fork would otherwise write to, and so copy, every page of what is here.
        gc.freeze()


@functools.cache
def share_descriptions() -> None:
    """Lets all sessions of botocore share one loader, which has read the descriptions of the usual services already."""
    import botocore.session  # noqa: PLC0415 - a playbook without AWS needs none of it
    from botocore.loaders import create_loader  # noqa: PLC0415 - the same

    botocore.session.create_loader = functools.cache(create_loader)
    session = botocore.session.Session()
    for service in SERVICES:
        session.create_client(
            service,
            region_name="us-east-1",
            aws_access_key_id="none",
            aws_secret_access_key="none",  # noqa: S106 - never used: no request is made
        )
