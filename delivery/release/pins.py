"""Where an environment's pinned model is written: lines of an inventory, or, for the rehearsal, files of the local cloud.

The rehearsal has no pull requests: its models are made on the machine that rehearses. That difference is here and nowhere else.
"""

import re
import shutil
from collections.abc import Callable
from pathlib import Path

from bundle import load
from delivery.environment import LOCAL, Environment, Pin
from delivery.errors import DeliveryError
from delivery.inventories import FOLDER
from delivery.variables import variables

_KEYS = {"model_name": "name", "model_version": "version", "model_digest": "digest"}


def pin_file(environment: str) -> Path:
    """Return the path, in the work tree, of the file with the pin of an environment in Git."""
    return FOLDER / environment / "group_vars" / "all" / "main.yml"


def read_pin(text: str, where: str) -> Pin | None:
    """Read the pin from an inventory's variables; None where none is complete. Raises DeliveryError where they are no YAML."""
    found = variables(text, where)
    values = [str(found.get(key, "")) for key in _KEYS]
    return Pin(*values) if all(values) else None


def rewrite(text: str, pin: Pin, where: str) -> str:
    """Return an inventory's variables with another pin; every other byte, comments included, is kept.

    An environment to which nothing was released yet has no such lines: they come at the end. One with a name only gets version
    and digest after it. Raises DeliveryError where a line is there twice, or a version or a digest without a name, or what
    would come out is not the pin.
    """
    found = {key: re.findall(rf"^{key}:.*$", text, re.MULTILINE) for key in _KEYS}
    if not any(found.values()):
        found["model_name"] = [f"model_name: {pin.name}"]
        text = f"{text.rstrip()}\n{found['model_name'][0]}\n"
    for key, lines in found.items():
        if len(lines) > 1 or (key == "model_name" and not lines):
            raise DeliveryError(f"{where} has {len(lines)} lines with {key}, not one; mend it by hand first")
    for key, lines in reversed(found.items()):
        value = getattr(pin, _KEYS[key])
        if lines:
            line = re.compile(rf"^({key}:[ \t]*)(?:\"[^\"\n]*\"|'[^'\n]*'|[^#\n]*?)([ \t]*(?:#.*)?)$", re.MULTILINE)
            text = line.sub(_put(value), text, count=1)
        else:
            text = re.sub(r"^(model_name:.*)$", rf"\1\n{key}: {value}", text, count=1, flags=re.MULTILINE)
    if read_pin(text, where) != pin:
        raise DeliveryError(f"{where} could not be edited: its model lines are not plain values; mend it by hand first")
    return text


def write_rehearsal_pin(environment: Environment, pin: Pin, bundle: Path) -> bool:
    """Pin a model in the rehearsal, and keep its bundle there: a new local cloud has an empty bucket. Tell whether it changed.

    The version comes last: `make rehearse` leaves a model alone whose `released` names it.
    """
    if environment.name != LOCAL:
        raise DeliveryError(f"{environment.name} is pinned in Git")
    directory = environment.root / ".localcloud" / "model"
    wanted = {"name": pin.name, "version": pin.version, "digest": pin.digest, "released": pin.digest}
    present = {name: _text(directory / name) for name in wanted}
    kept = directory / "bundle"
    if present == wanted and _text(kept / "manifest.json") and load(kept).digest == pin.digest:
        return False
    (directory / "released").unlink(missing_ok=True)
    part = directory / ".bundle.part"
    shutil.rmtree(part, ignore_errors=True)
    shutil.copytree(bundle, part)
    shutil.rmtree(kept, ignore_errors=True)
    part.rename(kept)
    for name, value in wanted.items():
        (directory / name).write_text(value)
    return True


def _put(value: str) -> Callable[[re.Match[str]], str]:
    return lambda match: f"{match[1].rstrip()} {value}{match[2]}"


def _text(path: Path) -> str:
    return path.read_text().strip() if path.is_file() else ""
