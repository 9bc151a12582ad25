"""Files of YAML, an inventory's variables among them, as they are written: nothing is decrypted and nothing is computed."""

from pathlib import Path
from typing import Any

import yaml

from delivery.errors import DeliveryError


class _Loader(yaml.SafeLoader):
    """YAML as Ansible writes it: with tags, `!vault` and others, of which only the text is read."""


def _text(_: yaml.SafeLoader, suffix: str, node: yaml.Node) -> str:
    if suffix == "unsafe" and isinstance(node, yaml.ScalarNode):
        return str(node.value)
    return f"(!{suffix})"


_Loader.add_multi_constructor("!", _text)


def parse(text: str, where: str) -> Any:
    """Return what a file says; a value with a tag is `(!vault)`, or whatever its tag is.

    Raises DeliveryError, with the file's name `where`, if it is no YAML.
    """
    try:
        return yaml.load(text, _Loader)  # noqa: S506 - a SafeLoader
    except yaml.MarkedYAMLError as error:
        line = f" line {error.problem_mark.line + 1}:" if error.problem_mark else ""
        raise DeliveryError(f"{where}:{line} is no YAML: {error.problem}; mend it by hand first") from None
    except yaml.YAMLError as error:
        raise DeliveryError(f"{where} is no YAML: {str(error).splitlines()[0]}; mend it by hand first") from None


def read(path: Path) -> Any:
    """Return what a file says, as `parse` does. Raises DeliveryError if it cannot be read."""
    try:
        return parse(path.read_text(), str(path))
    except OSError as error:
        raise DeliveryError(f"{path} cannot be read: {error.strerror}") from None


def variables(text: str, where: str) -> dict[str, Any]:
    """Return the variables that a file sets. Raises DeliveryError as `parse` does, and where it says something else."""
    found = parse(text, where) or {}
    if not isinstance(found, dict):
        raise DeliveryError(f"{where} is no list of `name: value`; mend it by hand first")
    return found
