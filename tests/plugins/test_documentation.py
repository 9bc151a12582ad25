"""What a module documents is what it takes."""

from __future__ import annotations

from typing import Any

import pytest
import yaml

from tests.plugins.loading import PLUGINS, load

MODULES = sorted(path.stem for path in (PLUGINS / "modules").glob("*.py"))


class Taken(Exception):
    """Carries the argument specification that a module was started with."""


def taken(name: str, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """Start a module far enough to see which arguments it takes."""

    def start(argument_spec: dict[str, Any], **_: Any) -> None:
        raise Taken(argument_spec)

    module = load("modules", name)
    base = "AnsibleAWSModule" if hasattr(module, "AnsibleAWSModule") else "AnsibleModule"
    monkeypatch.setattr(module, base, start)
    with pytest.raises(Taken) as started:
        module.main()
    specification: dict[str, Any] = started.value.args[0]
    return specification


def plain(options: dict[str, Any], nested: str) -> dict[str, Any]:
    """The part of a specification that documentation and code both state."""
    return {
        name: {key: option[key] for key in ("type", "elements", "required", "default") if key in option}
        | {"choices": sorted(option.get("choices", [])), "options": plain(option.get(nested, {}), nested)}
        for name, option in options.items()
    }


@pytest.mark.parametrize("name", MODULES)
def test_a_module_takes_what_it_documents(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    documentation = yaml.safe_load(load("modules", name).DOCUMENTATION)
    assert documentation["module"] == name
    assert plain(documentation["options"], "suboptions") == plain(taken(name, monkeypatch), "options")


@pytest.mark.parametrize("name", MODULES)
def test_the_example_uses_the_module(name: str) -> None:
    tasks = yaml.safe_load(load("modules", name).EXAMPLES)
    documented = yaml.safe_load(load("modules", name).DOCUMENTATION)["options"]
    assert tasks
    for task in tasks:
        assert set(task[name]) <= set(documented)
        assert {option for option, entry in documented.items() if entry.get("required")} <= set(task[name])
