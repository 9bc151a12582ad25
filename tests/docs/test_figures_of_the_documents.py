"""docs/figures-of-the-documents.md says what production has, and so do the other pages that name numbers of it."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[2]
ROWS = [
    [cell.strip() for cell in line.strip("| ").split(" | ")]
    for line in (ROOT / "docs/figures-of-the-documents.md").read_text().splitlines()
    if line.startswith("| ") and not line.startswith("| figure")
]


def read(path: str) -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load((ROOT / path).read_text())
    return found


def variables() -> dict[str, Any]:
    """Return production's variables as Ansible ranks them, before they are rendered; alarms by the end of their names."""
    known: dict[str, Any] = {}
    for defaults in sorted((ROOT / "roles").glob("*/defaults/main.yml")):
        known |= yaml.safe_load(defaults.read_text()) or {}
    known |= read("inventories/production/group_vars/all/main.yml") | read("playbooks/group_vars/all.yml")
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
