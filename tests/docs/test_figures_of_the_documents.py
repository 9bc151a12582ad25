"""docs/figures-of-the-documents.md says what production has; other pages name its numbers, and those of the local cloud."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from delivery.inventories import variable_files
from localcloud.settings import Settings
from tests.roles.inventory_values import Values

ROOT = Path(__file__).parents[2]
ROWS = [
    [cell.strip() for cell in line.strip("| ").split(" | ")]
    for line in (ROOT / "docs/figures-of-the-documents.md").read_text().splitlines()
    if line.startswith("| ") and not line.startswith("| figure")
]


def variables() -> dict[str, Any]:
    """Return production's variables as Ansible ranks them, before they are rendered; services and alarms by their names."""
    known: dict[str, Any] = {}
    for defaults in sorted((ROOT / "roles").glob("*/defaults/main.yml")):
        known |= yaml.safe_load(defaults.read_text()) or {}
    for path in variable_files(ROOT, "production"):
        known |= yaml.safe_load(path.read_text())
    known |= {f"services.{name}.{key}": value for name, one in known["services"].items() for key, value in one.items()}
    named = {re.sub(r"{{.*?}}", "", alarm["name"]).strip("-"): alarm for alarm in known["alarms_list"]}
    return known | {f"alarms_list.{name}.{key}": value for name, alarm in named.items() for key, value in alarm.items()}


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row[0])
def test_our_figure_is_the_one_of_production(row: list[str]) -> None:
    _, theirs, ours, why = row
    assert theirs
    assert why
    figures = re.findall(r"`([\w.-]+): ([^`]+)`", ours)
    assert figures or ours == "none"
    known = variables()
    assert {name: yaml.safe_load(value) for name, value in figures} == {name: known[name] for name, _ in figures}


def test_every_document_is_compared() -> None:
    assert {letter for _, theirs, *_ in ROWS for letter in re.findall(r"\b[A-E]\b", theirs)} == set("ABCDE")


def test_what_a_lost_host_costs_follows_from_the_health_check() -> None:
    known = variables()
    interval, threshold, timeout, nodes = (
        known[f"load_balancer_{name}"]
        for name in ("health_check_interval", "unhealthy_threshold", "health_check_timeout", "propagation_seconds")
    )
    least = interval * threshold + timeout
    operate, readme = (" ".join((ROOT / page).read_text().split()) for page in ("docs/operate.md", "README.md"))
    sum_of_it = f"{interval} \N{MULTIPLICATION SIGN} {threshold} + {timeout}"
    assert f"With production's {sum_of_it} that is {least} to {least + nodes} seconds of 502 and 504" in operate
    assert f"It serves for {least + nodes} seconds more" in operate
    assert f"for {least} to {least + nodes} s in production" in readme


def test_the_delays_that_are_written_down_are_those_that_the_role_derives() -> None:
    production = Values("production")
    record = (ROOT / "docs/decisions/0026-delays-are-derived.md").read_text()
    said = {term: float(number) for term, number in re.findall(r"^\| (\w+) \| .* \| (\d+) \|$", record, re.MULTILINE)}
    assert said == {term: getattr(production.times, f"{term}_seconds") for term in ("alarm", "look", "stop", "verdict")}
    assert f"In production each stop lasts {said['stop'] / 60:g} minutes" in record
    assert f"(0: in production {said['stop']:g})" in (ROOT / "docs/operate.md").read_text()


def test_what_operators_read_of_a_rollouts_variables_is_what_production_has() -> None:
    production, found = Values("production"), []
    for line in (ROOT / "docs/operate.md").read_text().splitlines():
        if not line.startswith("| `rollout_"):
            continue
        names, meaning = line.strip("| ").split(" | ")
        told = {float(number) for said in re.findall(r"\((.*?)\)", meaning) for number in re.findall(r"[\d.]+", said)}
        values = {name: production[name] for name in re.findall(r"`(rollout_\w+)`", names)}
        numbers = {name: value for name, value in values.items() if isinstance(value, int | float)}
        assert set(numbers.values()) <= told, line
        found += numbers
    assert len(found) >= 10


@pytest.mark.parametrize("page", ["operate.md", "decisions/0030-the-local-cloud-refuses-and-waits.md"])
def test_the_local_clouds_settings_have_the_defaults_that_are_written_down(page: str) -> None:
    said = [
        (name, default)
        for line in (ROOT / "docs" / page).read_text().splitlines()
        for name, default in re.findall(r"^\| `LOCALCLOUD_(\w+)` \| .*?(?:\(default |\| )(\d+|none)\b", line)
    ]
    settings = Settings.from_environment({})
    assert len(said) >= 7
    for name, default in said:
        assert getattr(settings, name.lower()) == float(default.replace("none", "0")), name
