"""The trusted keys of an environment: what an inventory's file of keys says, and how rotation and revocation change it.

The file is only ever written by these functions; a pull request brings the change to the environment, as any other.
"""

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import yaml
from pydantic import TypeAdapter, ValidationError

from bundle.keys import KeysError, Purpose, TrustedKey, read_keys
from delivery.documents import faults
from delivery.errors import DeliveryError
from delivery.inventories import FOLDER
from delivery.variables import variables

LIFE = timedelta(days=365)
_HEADING = """\
# Whose signatures of models and release records are trusted here, and until when. `python -m delivery keys` writes this file,
# and a pull request brings it to the environment (docs/operate.md, Signatures).
"""
_LIST = TypeAdapter(list[TrustedKey])


def keys_file(root: Path, environment: str) -> Path:
    """Return the path of the file of keys of an environment."""
    return root / FOLDER / environment / "group_vars" / "all" / "keys.yml"


def read(path: Path) -> list[TrustedKey]:
    """Return the keys of an environment: those of its file, or the one key of an older inventory, `model_public_key`.

    Raises DeliveryError where the file is not what `write` writes, or is no YAML.
    """
    keys = _value(path, "signing_keys") or []
    if not keys:
        single = str(_value(path.with_name("main.yml"), "model_public_key") or "")
        keys = [{"public_key": single}] if single.strip() and "{{" not in single else []
    try:
        return _LIST.validate_python(keys)
    except ValidationError as error:
        raise DeliveryError(f"{path}: {faults(error)}; mend it by hand first") from None


def write(path: Path, keys: Sequence[TrustedKey]) -> None:
    """Write the file of keys."""
    if not path.parent.is_dir():
        raise DeliveryError(f"there is no {path.parent}; an environment is a folder of inventories/")
    listed = [_entry(key) for key in keys]
    text = yaml.dump({"signing_keys": listed}, Dumper=_Dumper, sort_keys=False, width=200)
    path.write_text(f"---\n{_HEADING}{text}")


def new_key(path: Path, signs: Sequence[Purpose], not_after: date | None) -> TrustedKey:
    """Return the public key (P-256, PEM) in a file, which signs models, records or both until a day, by default for a year."""
    try:
        key = read_keys(path).keys[0]
    except KeysError as error:
        raise DeliveryError(str(error)) from None
    return key.model_copy(update={"signs": list(signs), "not_after": not_after or today() + LIFE})


def added(keys: Sequence[TrustedKey], new: TrustedKey) -> list[TrustedKey]:
    """Return the keys with another one. Raises DeliveryError where it is there already, or was revoked."""
    for key in keys:
        if key.fingerprint == new.fingerprint and (key.revoked or set(key.signs) & set(new.signs)):
            raise DeliveryError(f"the key {new.name} is there already" + (", revoked" if key.revoked else ""))
    return [*keys, new]


def rotated(keys: Sequence[TrustedKey], new: TrustedKey, day: date) -> list[TrustedKey]:
    """Return the keys with a new one in place of those that sign the same: they end on a day, and what they signed stays good.

    Raises as `added` does.
    """
    ended: list[TrustedKey] = []
    for key in keys:
        over: list[Purpose] = [purpose for purpose in key.signs if purpose in new.signs]
        if not over or key.revoked or (key.not_after and key.not_after <= day):
            ended.append(key)
            continue
        rest = [purpose for purpose in key.signs if purpose not in new.signs]
        if rest:
            ended.append(key.model_copy(update={"signs": rest}))
        ended.append(key.model_copy(update={"signs": over, "not_after": day}))
    return added(ended, new)


def revoked(keys: Sequence[TrustedKey], name: str, reason: str) -> list[TrustedKey]:
    """Return the keys, of which the one whose fingerprint begins with a name is trusted for nothing any more.

    Raises DeliveryError where no key, or more than one, has such a fingerprint.
    """
    found = {key.fingerprint for key in keys if key.fingerprint.startswith(name)}
    if len(found) != 1:
        known = ", ".join(dict.fromkeys(key.name for key in keys)) or "none"
        raise DeliveryError(f"{len(found)} keys begin with {name!r}, not one; the keys are: {known}")
    return [key.model_copy(update={"revoked": reason}) if key.fingerprint in found else key for key in keys]


def today() -> date:
    """Return the day, in UTC."""
    return datetime.now(UTC).date()


def state(key: TrustedKey) -> str:
    """Return what a key is good for, for people."""
    if key.revoked:
        return f"revoked: {key.revoked}"
    if key.not_after is None:
        return "does not end"
    return f"{'ended' if key.not_after < today() else 'until'} {key.not_after}"


class _Dumper(yaml.SafeDumper):
    """Writes the text of a key as it is in its file."""

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:
        super().increase_indent(flow, False)


def _block(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style="|" if "\n" in text else None)


_Dumper.add_representer(str, _block)


def _entry(key: TrustedKey) -> dict[str, Any]:
    entry: dict[str, Any] = {"signs": list(key.signs), "public_key": key.public_key.strip() + "\n"}
    if key.not_after:
        entry["not_after"] = key.not_after.isoformat()
    if key.revoked:
        entry["revoked"] = key.revoked
    return entry


def _value(path: Path, name: str) -> Any:
    return variables(path.read_text(), str(path)).get(name) if path.is_file() else None
