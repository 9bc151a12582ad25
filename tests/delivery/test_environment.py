"""Names come from the inventory through Ansible; an environment that cannot be released to is refused in one line."""

import json
from pathlib import Path

import boto3
import pytest

from bundle.keys import parse_keys
from delivery.environment import Pin, read_environment
from delivery.errors import DeliveryError
from delivery.release.keys import keys_file, read
from tests.delivery.worlds import ACCOUNT, MODELS, RELEASES, World


def test_an_environment_is_what_its_inventory_says(world: World) -> None:
    environment = world.environment()
    assert (environment.models_bucket, environment.releases_bucket) == (MODELS, RELEASES)
    assert (environment.account, environment.region, environment.min_accuracy) == (ACCOUNT, "us-east-1", 0.9)
    assert environment.current_parameter == "/pettracker/staging/release/current"
    assert environment.pin is None
    assert [key.public_key for key in environment.keys.keys] == [world.public_key.read_text()]
    world.pin(Pin("small", "1.0.0", f"sha256:{'a' * 64}"))
    assert world.environment().pin == Pin("small", "1.0.0", f"sha256:{'a' * 64}")


def test_an_unknown_environment_is_refused_with_the_known_ones(tmp_path: Path) -> None:
    with pytest.raises(DeliveryError, match="no environment 'prodution'; choose one of: dev, local, production, staging"):
        read_environment("prodution")


def test_missing_credentials_are_refused(world: World, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    for name in ("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"):
        monkeypatch.setenv(name, str(tmp_path / "none"))
    monkeypatch.setattr(boto3, "DEFAULT_SESSION", None)
    with pytest.raises(DeliveryError, match="there are no AWS credentials: give those of staging"):
        world.environment()


def test_credentials_of_another_account_are_refused(world: World) -> None:
    world.inventory.write_text(f"{world.inventory.read_text()}expected_account_id: '210987654321'\n")
    with pytest.raises(DeliveryError, match=f"belong to account {ACCOUNT}, but staging is in account 210987654321"):
        world.environment()


def test_an_environment_without_a_key_is_refused(world: World) -> None:
    world.trust([])
    with pytest.raises(DeliveryError, match="inventories/staging trusts no keys: releases are signed"):
        world.environment()


def test_the_one_key_of_an_older_inventory_signs_everything(world: World) -> None:
    world.trust([])
    with world.inventory.open("a") as inventory:
        inventory.write(f"model_public_key: {json.dumps(world.public_key.read_text())}\n")
    assert world.environment().keys.keys == parse_keys(world.public_key.read_text(), "").keys
    # The first command that changes keys begins with it.
    assert read(keys_file(world.root, "staging")) == world.environment().keys.keys
