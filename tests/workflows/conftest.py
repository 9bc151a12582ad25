"""What workflows and hosts of staging get from `make bootstrap` and the plays after it, in an account of the local cloud."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import boto3
import pytest
import yaml

from localcloud import settings as constants
from localcloud.access.access_key import AccessKey
from localcloud.account import Account
from localcloud.balancer.targets import CheckResult
from localcloud.hosts.driver import NoHosts
from localcloud.settings import Settings
from tests.localcloud.conftest import cloud, served_cloud
from tests.roles.controllers import inventory_of
from tests.workflows.iam import Document, as_list

__all__ = ["cloud", "served_cloud"]  # fixtures of the local cloud's own tests

ROOT = Path(__file__).parents[2]
PREFIX = "pettracker-staging"
REPOSITORY = "acme/pettracker-ml"
SUBJECT = "repo:acme@1234/pettracker-ml@5678"
KINDS = ("plan", "deploy", "destroy")
HOST_KINDS = ("service", "builder", "training")
# Names that other tests ask for, as the playbooks' own variables say them.
NAMES = {
    "groups": "{{ (service_colours | map(attribute='group')) + [experiment_group] }}",
    "buckets": "{{ bucket_names }}",
    "log_groups": "{{ log_groups_names }}",
    "metric_namespaces": "{{ [metric_namespace, training_metric_namespace] }}",
    "user_data": "{{ autoscaling_group_user_data }}",
}
# The play that lets the workflows in; those after it in `make bootstrap` are imported.
CI = yaml.safe_load((ROOT / "playbooks/bootstrap.yml").read_text())[0]
PLAY = {name: CI[name] for name in ("hosts", "environment")}
# What GitHub answers about a repository that was made after 2026-07-15, in place of gh.
GITHUB = {
    f"repos/{REPOSITORY}": {"full_name": REPOSITORY, "name": "pettracker-ml", "id": 5678}
    | {"owner": {"login": "acme", "id": 1234}},
    f"repos/{REPOSITORY}/actions/oidc/customization/sub": {"use_default": True, "sub_claim_prefix": SUBJECT},
    # What is there after `delivery connect`, and of the environments only the one.
    f"repos/{REPOSITORY}/actions/variables?per_page=30": {"variables": [{"name": "AWS_ENVIRONMENTS", "value": "[]"}]},
    f"repos/{REPOSITORY}/environments?per_page=100": {"environments": [{"name": "staging"}]},
    f"repos/{REPOSITORY}/environments/staging/variables?per_page=30": {"variables": [{"name": "AWS_ROLE_ARN", "value": ""}]},
    f"repos/{REPOSITORY}/environments/staging/secrets?per_page=100": {"secrets": []},
}
GH = f"""#!{sys.executable}
import json, os, sys
method, path = sys.argv[sys.argv.index("--method") + 1 :][:2]
open(os.environ["GH_CALLS"], "a").write(f"{{method}} {{path}}\\n")
if method == "GET":
    print(json.dumps([{GITHUB!r}[path]]))
"""


@dataclass(frozen=True)
class Served:
    """An account that is served, and the key of its root user."""

    endpoint: str
    key: AccessKey


@dataclass(frozen=True)
class Ended:
    """How a run of Ansible ended: its status, what it printed, and what it has asked GitHub, a line each."""

    status: int
    said: str
    asked: str


@dataclass(frozen=True)
class Made:
    """What the role made.

    Attributes:
        roles: by kind.
        policies: all documents of each role of a workflow and of a host, but for those of AWS, and `boundary`.
        sizes: characters of the inline policies of each role together, and of each managed policy, as AWS counts them where
            partition, region and environment have long names.
        said: what Ansible printed while it made the roles of the workflows, twice.
        kept: how it ended when all was to go while host roles were there.
        gone: how it ended when they had gone, and all was to go twice.
        left: names of roles and policies after that, and ARNs of identity providers.
        names: NAMES, rendered.
    """

    roles: dict[str, Document]
    policies: dict[str, list[Document]]
    inline_sizes: dict[str, int]
    managed_sizes: dict[str, int]
    said: str
    kept: Ended
    gone: Ended
    left: set[str]
    names: dict[str, Any]

    def statements(self, kind: str) -> Iterator[Document]:
        """Those that allow something."""
        statements = (statement for document in self.policies[kind] for statement in document["Statement"])
        return (statement for statement in statements if statement["Effect"] == "Allow")

    def actions(self, kind: str) -> set[str]:
        return {action for statement in self.statements(kind) for action in as_list(statement["Action"])}

    def allows(self, kind: str, action: str) -> bool:
        return any(fnmatchcase(action, pattern) for pattern in self.actions(kind))


def size(document: Document) -> int:
    """Characters without white space, as the quotas count them."""
    text = json.dumps(document, separators=(",", ":"))
    for short, long in (("arn:aws:", "arn:aws-us-gov:"), (constants.REGION, "ap-southeast-1"), ("staging", "production")):
        text = text.replace(short, long)
    return len(text)


def run_plays(directory: Path, plays: list[Document], account: Served, **more: str) -> Ended:
    """Run plays in a clone that has the project's tasks, with staging's variables and a gh of its own."""
    playbooks, gh = directory / "playbooks", directory / "bin/gh"
    for folder in (playbooks, gh.parent):
        folder.mkdir(exist_ok=True)
    for path in ("roles", "delivery", "playbooks/tasks", "playbooks/unbootstrap.yml"):
        if not (directory / path).is_symlink():
            (directory / path).symlink_to(ROOT / path)
    calls = directory / "calls.txt"
    calls.write_text("")
    gh.write_text(GH)
    gh.chmod(0o755)
    (playbooks / "plays.yml").write_text(json.dumps(plays))
    environment = os.environ | {
        "PATH": f"{gh.parent}:{os.environ['PATH']}",
        "GH_CALLS": str(calls),
        "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"),
        "AWS_ENDPOINT_URL": account.endpoint,
        **account.key.environment,
    }
    given = json.dumps({"account_id": constants.ACCOUNT_ID, "ci_repository": REPOSITORY} | more)
    program = str(Path(sys.executable).with_name("ansible-playbook"))
    done = subprocess.run(
        [program, *inventory_of("staging"), "-e", given, str(playbooks / "plays.yml")],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    return Ended(done.returncode, done.stdout + done.stderr, calls.read_text())


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> Made:
    """The roles of staging; the account is closed again, so that other tests find moto as it is."""
    directory = tmp_path_factory.mktemp("ci")
    # The quota is that of a new account.
    settings = Settings(root=Path("/nonexistent"), api_port=0, vcpu_quota=5, consistency_delay=0)
    account = Account(settings, NoHosts(), lambda _: CheckResult(True), lambda: 0.0)
    account.telemetry.close()
    account.schedules.close()
    try:
        served = Served(f"http://127.0.0.1:{account.open()}", account.keys.root)
        account.reset()  # of what other tests of this process have made
        names = directory / "names.json"
        write = {"content": "{{ names | to_json }}", "dest": str(names), "mode": "0644"}
        rest = [{"ansible.builtin.import_role": {"name": "identity"}}, {"ansible.builtin.copy": write}]
        # The roles of the workflows twice, for the second time may change nothing.
        made = run_plays(directory, [CI, CI, PLAY | {"vars": {"names": NAMES}, "tasks": rest}], served)
        assert made.status == 0, made.said
        iam = _iam(served)
        found = _read(iam)
        leave = {"import_playbook": "unbootstrap.yml"}
        kept = run_plays(directory, [leave], served, unbootstrap_confirm="staging")
        _remove_hosts(iam)
        gone = run_plays(directory, [leave, leave], served, unbootstrap_confirm="staging")
        return Made(*found, made.said, kept, gone, _left(iam), json.loads(names.read_text()))
    finally:
        account.close()


def _iam(account: Served) -> Any:
    return boto3.client("iam", endpoint_url=account.endpoint, region_name=constants.REGION, **account.key.arguments)


def _remove_hosts(iam: Any) -> None:
    """Remove what `make destroy` finds in this account."""
    for kind in HOST_KINDS:
        name = f"{PREFIX}-{kind}"
        iam.remove_role_from_instance_profile(InstanceProfileName=name, RoleName=name)
        iam.delete_instance_profile(InstanceProfileName=name)
        for policy in iam.list_attached_role_policies(RoleName=name)["AttachedPolicies"]:
            iam.detach_role_policy(RoleName=name, PolicyArn=policy["PolicyArn"])
        for policy in iam.list_role_policies(RoleName=name)["PolicyNames"]:
            iam.delete_role_policy(RoleName=name, PolicyName=policy)
        iam.delete_role(RoleName=name)


def _left(iam: Any) -> set[str]:
    roles = {role["RoleName"] for role in iam.list_roles()["Roles"]}
    policies = {policy["PolicyName"] for policy in iam.list_policies(Scope="Local")["Policies"]}
    return roles | policies | {one["Arn"] for one in iam.list_open_id_connect_providers()["OpenIDConnectProviderList"]}


def _read(iam: Any) -> tuple[dict[str, Document], dict[str, list[Document]], dict[str, int], dict[str, int]]:
    def managed(arn: str) -> Document:
        version = iam.get_policy(PolicyArn=arn)["Policy"]["DefaultVersionId"]
        return iam.get_policy_version(PolicyArn=arn, VersionId=version)["PolicyVersion"]["Document"]

    roles, policies, inline_sizes, managed_sizes = {}, {}, {}, {}
    for kind in KINDS + HOST_KINDS:
        name = f"{PREFIX}-ci-{kind}" if kind in KINDS else f"{PREFIX}-{kind}"
        roles[kind] = iam.get_role(RoleName=name)["Role"]
        inline = [
            iam.get_role_policy(RoleName=name, PolicyName=policy)["PolicyDocument"]
            for policy in iam.list_role_policies(RoleName=name)["PolicyNames"]
        ]
        attached = iam.list_attached_role_policies(RoleName=name)["AttachedPolicies"]
        own = [policy for policy in attached if not policy["PolicyArn"].startswith("arn:aws:iam::aws:")]
        documents = {policy["PolicyName"]: managed(policy["PolicyArn"]) for policy in own}
        policies[kind] = [*inline, *documents.values()]
        inline_sizes[kind] = sum(map(size, inline))
        managed_sizes |= {policy: size(document) for policy, document in documents.items()}
    policies["boundary"] = [managed(f"arn:aws:iam::{constants.ACCOUNT_ID}:policy/{PREFIX}-boundary")]
    managed_sizes["boundary"] = size(policies["boundary"][0])
    return roles, policies, inline_sizes, managed_sizes
