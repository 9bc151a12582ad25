"""A module asks each service through one client."""

from typing import Any

import pytest
from ansible_collections.amazon.aws.plugins.module_utils.modules import AnsibleAWSModule
from ansible_collections.pettracker.aws.plugins.module_utils.module import Module


def test_a_client_is_made_once_for_each_service_unless_it_is_asked_for_otherwise(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[tuple[str, dict[str, Any]]] = []

    def make(_: Any, service: str, **options: Any) -> object:
        made.append((service, options))
        return object()

    monkeypatch.setattr(AnsibleAWSModule, "client", make)
    monkeypatch.setattr(AnsibleAWSModule, "__init__", lambda _: None)
    module, other = Module(), Module()
    assert module.client("ec2") is module.client("ec2")
    assert module.client("ec2") is not other.client("ec2")
    signing = {"config": {"signature_version": "s3v4"}}
    assert module.client("s3") is not module.client("s3", **signing)
    assert made == [("ec2", {}), ("ec2", {}), ("s3", {}), ("s3", signing)]
