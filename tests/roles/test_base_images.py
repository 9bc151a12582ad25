"""The system of hosts is one entry of base_images: everything that differs between systems follows from it."""

import tomllib
from pathlib import Path

import pytest
import yaml
from packaging.specifiers import SpecifierSet

from tests.roles.inventory_values import Values

ROOT = Path(__file__).parents[2]
BASE_IMAGES = yaml.safe_load((ROOT / "inventories/common/group_vars/all/model.yml").read_text())["base_images"]
NEXT = {
    **{"owner": "1", "name": "next-*", "root_device": "/dev/sdx", "session_agent": "next_amd64/agent.deb"},
    **{"cloudwatch_agent": "next/amd64", "packages_purl": "deb/next"},
    **{"python": "/usr/bin/python3.14", "python_version": "3.14"},
}
# The playbooks' variables that hold parts of the entry, and what they come to for the next system.
FOLLOWS = {
    "machine_image_base_owner": "1",
    "machine_image_base_name": "next-*",
    "machine_image_root_device": "/dev/sdx",
    "machine_image_session_agent_url": "https://s3.us-east-1.amazonaws.com/amazon-ssm-us-east-1/3.3/next_amd64/agent.deb",
    "cloudwatch_agent_package_system": "next/amd64",
    "inference_service_python": "/usr/bin/python3.14",
    "wheelhouse_python_version": "3.14",
    "autoscaling_group_root_device": "/dev/sdx",
}


def test_another_system_is_one_entry() -> None:
    values = Values("production", service_os="next", base_images={"next": NEXT}, session_agent_version="3.3")
    assert {name: values[name] for name in FOLLOWS} == FOLLOWS
    entered = yaml.safe_load((ROOT / "inventories/common/group_vars/instances.yml").read_text())
    trained = yaml.safe_load((ROOT / "playbooks/vars/train.yml").read_text())
    assert values.text(entered["ansible_python_interpreter"]) == "/usr/bin/python3.14"
    assert values.text(trained["training_instance_root_device"]) == "/dev/sdx"
    assert values.text(trained["training_instance_python"]) == "/usr/bin/python3.14"


@pytest.mark.parametrize("entry", BASE_IMAGES.values(), ids=BASE_IMAGES)
def test_the_project_runs_on_each_system(entry: dict[str, str]) -> None:
    assert entry.keys() == NEXT.keys()
    needed = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["requires-python"]
    assert entry["python_version"] in SpecifierSet(needed)


def test_an_image_that_has_the_session_agent_gets_no_other() -> None:
    values = Values("production", service_os="has-it", base_images={"has-it": NEXT | {"session_agent": ""}})
    assert values["machine_image_session_agent_url"] == ""
