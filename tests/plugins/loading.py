"""What tests of the collection's plugins share."""

import importlib
from pathlib import Path
from types import ModuleType
from typing import Any, NoReturn

import boto3
from ansible_collections.pettracker.aws.plugins.module_utils.argument_spec import argument_spec
from botocore.config import Config

ROOT = Path(__file__).parents[2]
PLUGINS = ROOT / "collections/ansible_collections/pettracker/aws/plugins"
REGION = "us-east-1"


def load(kind: str, name: str) -> ModuleType:
    """Import one plugin of the collection."""
    return importlib.import_module(f"ansible_collections.pettracker.aws.plugins.{kind}.{name}")


def defaults(module: str) -> dict[str, Any]:
    """Return what a module of the collection does without being told, None for each option that has no default."""
    return {name: option.get("default") for name, option in argument_spec(load("modules", module).DOCUMENTATION).items()}


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
