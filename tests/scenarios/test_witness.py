"""What a witness of a rollout has seen is what was there."""

from collections.abc import Mapping
from typing import Any

from witness import Witness, watched

from tests.localcloud.conftest import eventually


def group(**hosts: str) -> dict[str, Any]:
    """A group whose hosts are given as `version state`."""
    return {
        "Instances": [
            {"InstanceId": name, "LifecycleState": said.split()[1], "LaunchTemplate": {"Version": said.split()[0]}}
            for name, said in hosts.items()
        ]
    }


def test_hosts_of_another_version_are_counted_until_they_are_on_their_way_out() -> None:
    witness = Witness()
    witness.look(group(a="1 InService", b="1 InService"))
    witness.look(group(a="1 InService", b="1 InService", c="2 Pending"))
    witness.look(group(a="1 InService", b="1 Terminating:Wait", c="2 InService"))
    witness.look(group(a="1 InService", c="2 Terminating", d="2 Pending"))
    assert witness.most_of_another_version() == 1
    assert witness.serving == [2, 2, 2, 1]
    assert witness.newcomers() == {"d"}
    witness.look(group(a="1 InService", c="2 InService", d="2 Pending"))
    assert witness.most_of_another_version() == 2


def test_a_fleet_is_watched_while_something_is_done_and_its_newcomers_are_heard(monkeypatch: Any) -> None:
    monkeypatch.setattr("witness.JOURNAL_SECONDS", 0.0)
    now: list[Mapping[str, Any]] = [group(a="1 InService")]
    with watched(lambda: now[-1], lambda identity: f"{identity} speaks", interval=0.01) as witness:
        now.append(group(a="1 InService", b="2 InService"))
        eventually(lambda: witness.journals)
        now.append(group(a="1 InService"))
    assert witness.journals == {"b": "b speaks"}
    assert witness.versions[0] == witness.versions[-1] == {"a": "1"}
    assert max(witness.serving) == 2
