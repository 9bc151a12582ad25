"""An inventory's variables, as a file of it writes them: nothing is decrypted and nothing is computed."""

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


def variables(text: str, where: str) -> dict[str, Any]:
    """Return what a file sets; the value of a variable with a tag is `(!vault)`, or whatever its tag is.

    Args:
        text: content of the file.
        where: its name, for messages.

    Raises:
        DeliveryError: it is no YAML, or sets no variables.
    """
    try:
        found = yaml.load(text, _Loader)  # noqa: S506 - a SafeLoader
    except yaml.MarkedYAMLError as error:
        line = f" line {error.problem_mark.line + 1}:" if error.problem_mark else ""
        raise DeliveryError(f"{where}:{line} is no YAML: {error.problem}; mend it by hand first") from None
    except yaml.YAMLError as error:
        raise DeliveryError(f"{where} is no YAML: {str(error).splitlines()[0]}; mend it by hand first") from None
    if not isinstance(found or {}, dict):
        raise DeliveryError(f"{where} is no list of `name: value`; mend it by hand first")
    return found or {}
