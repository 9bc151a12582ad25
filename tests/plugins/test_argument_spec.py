"""A module takes what it documents, and nothing else."""

import json
import runpy
import sys
from typing import Any
from unittest.mock import patch

import pytest
import yaml
from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.testing import patch_module_args
from ansible_collections.pettracker.aws.plugins.module_utils.argument_spec import argument_spec

from tests.plugins.loading import PLUGINS, load

MODULES = sorted(path.stem for path in (PLUGINS / "modules").glob("*.py"))
STAND_INS: dict[str, Any] = {"dict": {}, "list": [], "int": 1, "float": 1.5, "bool": True}
DOCUMENTATION = """
module: kennel
options:
  name:
    description: Name of the kennel.
    type: str
    required: true
    aliases: [kennel]
  password:
    description: Opens it.
    type: str
  dogs:
    description: Who lives there.
    type: list
    elements: dict
    default: []
    suboptions: &dog
      size:
        description: How large a dog is.
        type: str
        choices: [small, large]
        default: small
      key:
        description: Name of a key.
        type: str
  warden:
    description: Who watches.
    type: dict
    suboptions: *dog
"""


def test_the_specification_is_what_the_documentation_states() -> None:
    dog = {"size": {"type": "str", "choices": ["small", "large"], "default": "small"}, "key": {"type": "str"}}
    assert argument_spec(DOCUMENTATION) == {
        "name": {"type": "str", "required": True, "aliases": ["kennel"]},
        "password": {"type": "str"},
        "dogs": {"type": "list", "elements": "dict", "default": [], "options": dog},
        "warden": {"type": "dict", "options": dog},
    }


def test_secrets_are_named_beside_the_documentation() -> None:
    specification = argument_spec(DOCUMENTATION, {"password": True, "key": False})
    assert specification["password"] == {"type": "str", "no_log": True}
    assert specification["dogs"]["options"]["key"] == {"type": "str", "no_log": False}
    assert "no_log" not in specification["name"]


def filled(arguments: dict[str, Any], options: dict[str, Any]) -> dict[str, Any]:
    """Return the arguments of an example with a value of the option's type in place of each template."""

    def value(given: Any, option: dict[str, Any]) -> Any:
        if isinstance(given, str) and given.startswith("{{"):
            return STAND_INS.get(option["type"], given)
        if "options" not in option:
            return given
        return [value(each, option) for each in given] if isinstance(given, list) else filled(given, option["options"])

    return {name: value(given, options[name]) for name, given in arguments.items()}


def start(name: str, arguments: dict[str, Any], capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    """Start a module as Ansible does, and return its answer."""
    imported = load("modules", name).__name__
    with patch_module_args(arguments), patch.dict(sys.modules), pytest.raises(SystemExit):
        del sys.modules[imported]
        runpy.run_module(imported, run_name="__main__")
    answer: dict[str, Any] = json.loads(capsys.readouterr().out)
    return answer


@pytest.fixture
def idle(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ends a module as soon as it has read its arguments."""
    read = AnsibleModule.__init__

    def read_and_end(module: AnsibleModule, *arguments: Any, **options: Any) -> None:
        read(module, *arguments, **options)
        module.exit_json(idle=True)

    monkeypatch.setattr(AnsibleModule, "__init__", read_and_end)


@pytest.mark.usefixtures("idle")
@pytest.mark.parametrize("name", MODULES)
def test_a_module_takes_its_examples_and_no_other_option(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    module = load("modules", name)
    examples = yaml.safe_load(module.EXAMPLES)
    assert examples
    for task in examples:
        arguments = filled(task[f"pettracker.aws.{name}"], argument_spec(module.DOCUMENTATION))
        answer = start(name, arguments, capsys)
        assert answer.get("idle"), answer["msg"]
        assert not answer.get("warnings")  # an option that is called like a secret and is not said to be one, or to be none
        refused = start(name, arguments | {"unheard_of": 1}, capsys)
        assert "Unsupported parameters" in refused["msg"] and "unheard_of" in refused["msg"]


@pytest.mark.parametrize("name", MODULES)
def test_a_module_documents_itself_under_its_own_name(name: str) -> None:
    assert yaml.safe_load(load("modules", name).DOCUMENTATION)["module"] == name
