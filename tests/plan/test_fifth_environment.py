"""A new environment is a folder of inventories/ and nothing else: every command takes it, and says that it is its own."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from moto.ec2.models import ec2_backends

from bundle import load
from delivery.connection.connect import Roles, connect
from delivery.release.keys import keys_file, new_key, write
from localcloud.account import Account
from localcloud.settings import ACCOUNT_ID, BASE_IMAGE_OWNER, REGION
from tests.bundle.small import signed_bundle
from tests.delivery.fake_github import FakeGitHub

ROOT = Path(__file__).parents[2]
NAME = "fifth"
PREFIX = f"pettracker-{NAME}"
REPOSITORY = "acme/pets"


@pytest.fixture(scope="module")
def clone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the project with one folder more, in which is what docs/start-on-aws.md asks for."""
    root = tmp_path_factory.mktemp("project")
    shutil.copytree(ROOT / "inventories", root / "inventories")
    for path in ROOT.iterdir():
        if path.name not in ("inventories", ".git", ".cache", ".localcloud"):
            (root / path.name).symlink_to(path)
    bundle, public_key = signed_bundle(root.parent / "bundle")
    manifest = load(bundle).manifest
    folder = root / "inventories" / NAME
    (folder / "group_vars/all").mkdir(parents=True)
    shutil.copy(root / "inventories/dev/environment.yml", folder)
    variables = {
        **{"env_name": NAME, "expected_account_id": ACCOUNT_ID, "ci_stage": 2},
        **{"ci_repository": REPOSITORY, "ci_subject": "repo:acme@1234/pets@5678"},
        **{"session_agent_version": "3.3.3270.0", "session_agent_sha256": "c" * 64},
        **{"cloudwatch_agent_package_version": "1.300062.0b1304", "cloudwatch_agent_package_sha256": "a" * 64},
        "load_balancer_certificate_arn": f"arn:aws:acm:us-east-1:{ACCOUNT_ID}:certificate/1",
        "budget_subscribers": ["ann@example.com"],
        **{"model_name": manifest.name, "model_version": manifest.version, "model_digest": load(bundle).digest},
        "published_model_source": str(bundle),
    }
    (folder / "group_vars/all/main.yml").write_text(json.dumps(variables))
    write(keys_file(root, NAME), [new_key(public_key, ["models"], None)])
    return root


@pytest.fixture(scope="module")
def run(clone: Path, account: Account, served: tuple[str, Any]) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Called with a command, runs it in the clone with the credentials of an account that has nothing but Debian's image."""
    account.reset()
    identity = served[1]("ec2").register_image(Name="debian-12-amd64-20260101")["ImageId"]
    ec2_backends[ACCOUNT_ID][REGION].amis[identity].owner_id = BASE_IMAGE_OWNER
    environment = os.environ | account.keys.root.environment | {"AWS_ENDPOINT_URL": served[0]}
    environment["PATH"] = f"{Path(sys.executable).parent}:{environment['PATH']}"
    return lambda *command: subprocess.run(
        command, cwd=clone, env=environment, capture_output=True, text=True, timeout=500, check=False
    )


def test_make_plan_and_the_guard_rails_take_it(run: Callable[..., Any], clone: Path) -> None:
    done = run("make", "-s", "-o", "setup", "plan", f"ENV={NAME}")
    assert done.returncode == 0, done.stdout + done.stderr
    plan = json.loads((clone / f".cache/plan/{NAME}/plan.json").read_text())
    assert (plan["complete"], plan["environment"]) == (True, NAME)
    named = {(item["kind"], item["name"]) for item in plan["resources"]}
    assert {("VPC", PREFIX), ("load balancer", f"{PREFIX}-service"), ("budget", f"{PREFIX}-monthly")} <= named
    assert not [name for _, name in named if "pettracker-" in name and PREFIX not in name]
    assert f"Guard rails of {NAME}: no violations." in run("make", "-s", "-o", "setup", "policy", f"ENV={NAME}").stdout
    assert "a month" in run("make", "-s", "-o", "setup", "cost", f"ENV={NAME}").stdout


def test_the_bootstrap_and_the_workflows_take_it(run: Callable[..., Any], clone: Path) -> None:
    done = run("scripts/converge", NAME, "bootstrap")
    assert done.returncode == 0, done.stdout + done.stderr
    made = json.loads((clone / f".cache/bootstrap/{NAME}.json").read_text())
    github = FakeGitHub()
    list(connect(made["repository"], NAME, Roles(**made["roles"]), made["stage"], github))
    assert {NAME, f"{NAME}-destroy"} == set(github.environments)
    assert github.environments[NAME]["reviewers"]  # of stage 2
    role = f"arn:aws:iam::{ACCOUNT_ID}:role/{PREFIX}-ci"
    assert github.variables[f"environments/{NAME}"] == {"AWS_ROLE_ARN": f"{role}-deploy"}
    # What the workflows make their jobs of.
    known = json.loads(github.variables["actions"]["AWS_ENVIRONMENTS"])
    assert known == [{"env": NAME, "plan_role": f"{role}-plan", "stage": 2}]
