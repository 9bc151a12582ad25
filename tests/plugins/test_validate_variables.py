"""Misspelt variables are refused with what to write instead."""

import pytest

from tests.plugins.loading import ROOT, load

complaints = load("action", "validate_variables").complaints
misplaced = load("action", "validate_variables").misplaced
documented_variables = load("action", "validate_variables").documented_variables

DOCUMENTED = {
    "vpc": {"vpc_nat_per_zone", "vpc_cidr"},
    "alarms": {"alarms_list"},
    "inference_service": {"inference_service_port"},
}


@pytest.mark.parametrize(
    ("name", "advice"),
    [
        ("vpc_nat_per_zoen", "write vpc_nat_per_zone"),
        ("vcp_nat_per_zone", "write vpc_nat_per_zone"),
        ("vpc_zebra", "see roles/vpc/meta/argument_specs.yml"),
    ],
)
def test_a_slip_is_named_with_the_right_name(name: str, advice: str) -> None:
    (sentence,) = complaints([name], DOCUMENTED)
    assert sentence.startswith(name)
    assert advice in sentence


@pytest.mark.parametrize("name", ["vpc_cidr", "vpc_result", "service_port", "env_name", "alarm"])
def test_other_names_are_nobodys_business(name: str) -> None:
    assert complaints([name], DOCUMENTED) == []


def test_every_role_is_read() -> None:
    documented = documented_variables(ROOT / "roles")
    assert set(documented) == {path.name for path in (ROOT / "roles").iterdir() if path.is_dir()}


def test_a_roles_variable_for_some_hosts_only_is_refused() -> None:
    files = {"dev/instances.yml": {"inference_service_port", "ansible_connection"}}
    (sentence,) = misplaced(files, DOCUMENTED)
    assert sentence.startswith("inference_service_port in dev/instances.yml")
    assert "group_vars/all" in sentence
