"""An inventory's pin is changed in its own lines and nowhere else; the rehearsal's is kept in its files."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from bundle import load
from delivery.environment import Pin
from delivery.errors import DeliveryError
from delivery.release.pins import read_pin, rewrite, write_rehearsal_pin
from tests.bundle.small import signed_bundle
from tests.delivery.worlds import REPOSITORY

PIN = Pin("iris", "1.2.0", f"sha256:{'a' * 64}")
NEXT = Pin("iris", "1.10.0", f"sha256:{'b' * 64}")


@pytest.mark.parametrize("environment", ["dev", "staging", "production"])
def test_the_first_release_adds_three_lines(environment: str) -> None:
    text = (REPOSITORY / f"inventories/{environment}/group_vars/all/main.yml").read_text()
    pinned = rewrite(text, PIN, environment)
    assert read_pin(pinned, "x") == PIN
    assert pinned == f"{text}model_name: iris\nmodel_version: 1.2.0\nmodel_digest: {PIN.digest}\n"


def test_the_first_release_of_a_model_that_has_its_name_adds_version_and_digest() -> None:
    assert rewrite("model_name: x # ours\nother: 1\n", PIN, "x") == (
        f"model_name: iris # ours\nmodel_version: 1.2.0\nmodel_digest: {PIN.digest}\nother: 1\n"
    )


def test_another_release_changes_the_values_and_keeps_comments_quotes_and_order() -> None:
    text = (
        "# The release pins here.\nmodel_digest:   'sha256:0'   # by the release\nother: 1 # mine\n\n"
        'model_version: "1.2.0"\nmodel_name: iris # of 1936\nmodel_version_note: kept\n'
    )
    assert rewrite(text, NEXT, "x") == (
        f"# The release pins here.\nmodel_digest: {NEXT.digest}   # by the release\nother: 1 # mine\n\n"
        "model_version: 1.10.0\nmodel_name: iris # of 1936\nmodel_version_note: kept\n"
    )


def test_the_same_pin_again_changes_nothing() -> None:
    text = rewrite("model_name: x\n", PIN, "x")
    assert rewrite(text, PIN, "x") == text


@pytest.mark.parametrize("text", ["model_version: 1.0.0\n", "model_name: a\nmodel_name: b\n"])
def test_lines_that_are_not_there_once_are_refused(text: str) -> None:
    with pytest.raises(DeliveryError, match=r"x has (0|2) lines with model_name, not one"):
        rewrite(text, PIN, "x")


def test_a_computed_pin_is_refused() -> None:
    with pytest.raises(DeliveryError, match="not plain values"):
        rewrite("model_name: >-\n  iris\n", PIN, "x")


def test_vaulted_variables_are_passed_over_and_kept() -> None:
    text = "password: !vault |\n  $ANSIBLE_VAULT;1.1;AES256\n  3132\nmodel_name: iris\nother: !custom [1]\n"
    pinned = rewrite(text, PIN, "x")
    assert read_pin(pinned, "x") == PIN
    assert [line for line in text.splitlines() if line not in pinned.splitlines()] == []


def test_what_is_no_yaml_is_refused_with_its_line() -> None:
    with pytest.raises(DeliveryError, match=r"main\.yml: line 2: is no YAML"):
        read_pin("model_name: iris\nother: [}\n", "main.yml")


def test_no_pin_is_read_before_the_first_release() -> None:
    assert read_pin("model_name: iris\n", "x") is None


def rehearsal(root: Path) -> Any:
    return SimpleNamespace(name="local", root=root)


def test_the_rehearsal_keeps_pin_and_bundle_in_its_own_files(tmp_path: Path) -> None:
    first, _ = signed_bundle(tmp_path / "first")
    pin = Pin("small", "0.1.0", load(first).digest)
    assert write_rehearsal_pin(rehearsal(tmp_path), pin, first) is True
    kept = tmp_path / ".localcloud" / "model"
    assert [(kept / name).read_text() for name in ("name", "version", "digest")] == ["small", "0.1.0", pin.digest]
    assert load(kept / "bundle", pin.digest, tmp_path / "first.pub").manifest.name == "small"

    assert write_rehearsal_pin(rehearsal(tmp_path), pin, first) is False
    # What it keeps may itself be released.
    (kept / "version").write_text("0.0.9")
    assert write_rehearsal_pin(rehearsal(tmp_path), pin, kept / "bundle") is True
    assert load(kept / "bundle").digest == pin.digest


def test_an_interrupted_pin_of_the_rehearsal_is_completed(tmp_path: Path) -> None:
    root, _ = signed_bundle(tmp_path / "first")
    pin = Pin("small", "0.1.0", load(root).digest)
    write_rehearsal_pin(rehearsal(tmp_path), pin, root)
    (tmp_path / ".localcloud/model/bundle/openvino/model.bin").unlink()
    (tmp_path / ".localcloud/model/released").unlink()
    assert write_rehearsal_pin(rehearsal(tmp_path), pin, root) is True
    assert load(tmp_path / ".localcloud/model/bundle").digest == pin.digest
