"""What the collection says of itself holds."""

from pathlib import Path
from typing import Any

import yaml
from ansible.galaxy.dependency_resolution.versioning import meets_requirements
from ansible.release import __version__

from tests.plugins.loading import PLUGINS, ROOT, load


def read(path: Path) -> dict[str, Any]:
    content: dict[str, Any] = yaml.safe_load(path.read_text())
    return content


RUNTIME = read(PLUGINS.parent / "meta/runtime.yml")


def test_the_action_group_has_each_module_that_takes_a_region() -> None:
    documents = {
        path.stem: yaml.safe_load(load("modules", path.stem).DOCUMENTATION) for path in (PLUGINS / "modules").glob("*.py")
    }
    regional = {
        name
        for name, document in documents.items()
        if "pettracker.aws.module" in document.get("extends_documentation_fragment", [])
    }
    assert set(RUNTIME["action_groups"]["aws"]) == regional


def test_the_installed_ansible_is_one_that_the_collection_takes() -> None:
    assert meets_requirements(__version__, RUNTIME["requires_ansible"])


def test_the_pinned_collections_are_those_that_the_collection_takes() -> None:
    pins = {pin["name"]: pin["version"] for pin in read(ROOT / "requirements.yml")["collections"]}
    dependencies = read(PLUGINS.parent / "galaxy.yml")["dependencies"]
    assert dependencies
    for name, versions in dependencies.items():
        assert meets_requirements(pins[name], versions), name
