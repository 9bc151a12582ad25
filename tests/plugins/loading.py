"""Makes this project's plugins importable as Ansible imports them."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType
from typing import Any, NoReturn

import ansible.module_utils
import boto3
from botocore.config import Config

PLUGINS = Path(__file__).parents[2] / "plugins"
REGION = "us-east-1"

# Inside Ansible, module_utils of the project and of Ansible itself are one package.
ansible.module_utils.__path__.append(str(PLUGINS / "module_utils"))


def load(kind: str, name: str) -> ModuleType:
    """Import one plugin from its file."""
    full_name = f"pettracker_{kind}_{name}"
    if full_name not in sys.modules:
        specification = importlib.util.spec_from_file_location(full_name, PLUGINS / kind / f"{name}.py")
        assert specification
        assert specification.loader
        sys.modules[full_name] = importlib.util.module_from_spec(specification)
        specification.loader.exec_module(sys.modules[full_name])
    return sys.modules[full_name]


class ModuleFailed(Exception):
    """What `fail_json` was called with."""


class FakeModule:
    """The part of AnsibleAWSModule that the modules' `run` functions use, with real boto3 clients."""

    region = REGION

    def __init__(self, parameters: dict[str, Any], check_mode: bool = False) -> None:
        self.params = parameters
        self.check_mode = check_mode
        self.warnings: list[str] = []

    def client(self, service: str, config: dict[str, Any] | None = None) -> Any:
        return boto3.client(service, region_name=REGION, config=Config(**(config or {})))

    def warn(self, warning: str) -> None:
        self.warnings.append(warning)

    def fail_json(self, msg: str, **_: Any) -> NoReturn:
        raise ModuleFailed(msg)
