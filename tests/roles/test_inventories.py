"""What all environments share is said once, and what one of them says itself goes before it."""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
import yaml
from moto.ec2.models import ec2_backends
from moto.server import ThreadedMotoServer

from delivery.inventories import sources, variable_files
from tests.roles.controllers import environment_of
from tests.roles.inventory_values import ENVIRONMENTS

ROOT = Path(__file__).parents[2]
COMMON = ROOT / "inventories/common"
NOWHERE = "http://127.0.0.1:1"
HERE = "us-east-1"
Variables = dict[str, Any]


def ask(*arguments: str | Path, endpoint: str = NOWHERE) -> subprocess.CompletedProcess[str]:
    """Ask Ansible for an inventory."""
    return subprocess.run(
        [Path(sys.executable).with_name("ansible-inventory"), *arguments],
        cwd=ROOT,
        env=environment_of(endpoint),
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )


def read(files: list[Path]) -> Variables:
    variables: Variables = {}
    for file in files:
        variables |= yaml.safe_load(file.read_text()) or {}
    return variables


def shared() -> Variables:
    return read(sorted(COMMON.glob("group_vars/all/*.yml")))


def environment(folder: Path, variables: Variables) -> Path:
    """Make an environment beside a copy of what all share."""
    (folder / "group_vars/all").mkdir(parents=True)
    (folder / "environment.yml").write_text((ROOT / "inventories/dev/environment.yml").read_text())
    (folder / "group_vars/all/main.yml").write_text(json.dumps(variables))
    if not (folder.parent / "common").exists():
        (folder.parent / "common").symlink_to(COMMON)
    return folder


@pytest.mark.parametrize("playbooks", ["playbooks", "playbooks/operate"])
def test_an_environments_value_goes_before_the_shared_one_of_every_variable(tmp_path: Path, playbooks: str) -> None:
    own = {name: f"{name} of its own" for name in shared()} | {"env_name": "fifth"}
    folder = environment(tmp_path / "fifth", own)
    files = ("-i", tmp_path / "common/hosts.yml", "-i", folder / "environment.yml")
    done = ask(*files, "--playbook-dir", playbooks, "--host", "localhost")
    assert done.returncode == 0, done.stderr
    seen = json.loads(done.stdout)
    assert {name: seen[name] for name in own} == own


@pytest.mark.parametrize("name", ENVIRONMENTS)
def test_an_environment_says_only_what_differs(name: str) -> None:
    own = read(sorted((ROOT / "inventories" / name).glob("group_vars/all/*.yml")))
    common = shared()
    assert {each for each, value in own.items() if each in common and common[each] == value} == set()
    assert own["env_name"] == name
    assert "env_name" not in common


def test_no_variable_is_shared_in_two_files() -> None:
    names = [name for file in COMMON.rglob("group_vars/all/*.yml") for name in yaml.safe_load(file.read_text())]
    assert sorted(names) == sorted(set(names))


def test_the_files_are_those_that_ansible_reads_in_its_order() -> None:
    assert variable_files(ROOT, "local")[-1] == ROOT / "inventories/local/group_vars/all/main.yml"
    done = ask("-i", COMMON / "hosts.yml", "-i", ROOT / "inventories/local/environment.yml", "--host", "localhost")
    seen = json.loads(done.stdout)
    assert {name: seen[name] for name in read(variable_files(ROOT, "local"))} == read(variable_files(ROOT, "local"))


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (["production"], "-i inventories/common -i inventories/production"),
        (["production", "common/hosts.yml"], "-i inventories/common -i inventories/production"),
        (["common/hosts.yml", "dev", "production"], "it is read after what all share, and alone"),
        (["common"], "env_name is in group_vars/all of none of"),
    ],
)
def test_an_environment_is_read_after_what_all_share_and_alone(given: list[str], said: str) -> None:
    done = ask(*[f"--inventory=inventories/{source}" for source in given], "--list")
    assert done.returncode != 0
    assert said in " ".join(done.stderr.split())


def test_a_copied_environment_is_refused_under_the_name_of_another(tmp_path: Path) -> None:
    folder = environment(tmp_path / "fifth", {"env_name": "production"})
    done = ask("-i", tmp_path / "common/hosts.yml", "-i", folder, "--list")
    assert done.returncode != 0
    assert f"env_name is production in {folder}" in " ".join(done.stderr.split())


@pytest.fixture(scope="module")
def endpoint() -> Iterator[str]:
    """An account with a service host of each environment, and of one in another region, and a host that has stopped."""
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    try:
        url = f"http://127.0.0.1:{server.get_host_and_port()[1]}"
        for name, region in [*((name, HERE) for name in ENVIRONMENTS), ("fifth", "eu-west-1"), ("fifth", HERE)]:
            ec2 = boto3.client("ec2", region, endpoint_url=url, aws_access_key_id="testing", aws_secret_access_key="testing")
            tags = {"Project": "pettracker", "Environment": name, "Role": "service", "Name": f"{name} {region}"}
            specification = {"ResourceType": "instance", "Tags": [{"Key": key, "Value": value} for key, value in tags.items()]}
            launched = ec2.run_instances(ImageId="ami-12345678", MinCount=2, MaxCount=2, TagSpecifications=[specification])[
                "Instances"
            ]
            ec2.stop_instances(InstanceIds=[launched[0]["InstanceId"]])
        yield url
    finally:
        ec2_backends.reset()
        server.stop()


def found(endpoint: str, *folders: Path) -> tuple[list[str], Variables]:
    """The names of the hosts of an environment's service, and the variables of the last of them."""
    done = ask(*[f"--inventory={folder}" for folder in folders], "--list", endpoint=endpoint)
    assert done.returncode == 0, done.stderr
    listed = json.loads(done.stdout)
    hosts = [listed["_meta"]["hostvars"][host] for host in listed["role_service"]["hosts"]]
    assert listed["instances"]["hosts"] == listed["role_service"]["hosts"]
    return [host["ec2_tags"]["Name"]["__ansible_unsafe"] for host in hosts], hosts[-1]


@pytest.mark.parametrize("name", ENVIRONMENTS)
def test_an_inventory_finds_only_its_own_running_hosts_and_enters_them_by_session_manager(endpoint: str, name: str) -> None:
    names, host = found(endpoint, *sources(ROOT, name))
    assert names == [f"{name} {HERE}"]
    assert host["ansible_connection"] == "pettracker.aws.session_manager"
    assert host["ansible_aws_ssm_s3_addressing_style"] == ("path" if name == "local" else "virtual")


def test_hosts_are_looked_for_in_the_region_that_the_environment_says(endpoint: str, tmp_path: Path) -> None:
    folder = environment(tmp_path / "fifth", {"env_name": "fifth", "aws_region": "eu-west-1"})
    assert found(endpoint, tmp_path / "common", folder)[0] == ["fifth eu-west-1"]
