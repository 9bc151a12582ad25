"""One rollout at a time: the second is told who was first, and a dead holder's lock is taken over by one of many."""

import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from ansible_collections.pettracker.aws.plugins.module_utils.rollout.lock import Lock, LockLostError

from tests.plugins.loading import FakeModule, ModuleFailed, load

Account = Callable[[str], Any]
PARAMETERS = {
    "state": "held",
    "bucket": "releases",
    "key": "dev/rollout.lock",
    "identity": "",
    "holder": "ann@laptop",
    "purpose": "pets 1.2.0",
    "stale_seconds": 60,
    "pause": 0.01,
}


@pytest.fixture
def s3(account: Account) -> Any:
    client = account("s3")
    client.create_bucket(Bucket="releases")
    return client


def run(check_mode: bool = False, **changes: Any) -> dict[str, Any]:
    result: dict[str, Any] = load("modules", "rollout_lock").run(FakeModule(PARAMETERS | changes, check_mode))
    return result


def locked(s3: Any) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(s3.get_object(Bucket="releases", Key="dev/rollout.lock")["Body"].read())
    return found


def beating(s3: Any, identity: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the holder's heart beat whenever somebody waits."""
    lock = Lock(s3, "releases", "dev/rollout.lock")
    monkeypatch.setattr(load("modules", "rollout_lock").time, "sleep", lambda _: lock.beat(identity))


def test_a_lock_is_taken_and_given_back(s3: Any) -> None:
    assert run(check_mode=True)["changed"]
    identity = run()["identity"]
    assert locked(s3)["holder"] == "ann@laptop"
    assert not run(state="released", identity="another's")["changed"]
    assert run(state="released", identity=identity)["changed"]
    assert not run(state="released", identity=identity)["changed"]
    assert not run(state="released")["changed"]


def test_the_second_is_told_who_was_first_as_soon_as_its_heart_beats(s3: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    identity = run()["identity"]
    beating(s3, identity, monkeypatch)
    with pytest.raises(ModuleFailed, match=r"ann@laptop holds the lock since .*, for pets 1.2.0; the last heartbeat"):
        run(holder="bob@desk")
    assert locked(s3)["holder"] == "ann@laptop"
    with pytest.raises(ModuleFailed, match="ann@laptop"):
        run(check_mode=True)


def test_a_lock_without_heartbeats_is_taken_over_and_its_holder_notices(s3: Any) -> None:
    first = run()["identity"]
    result = run(holder="bob@desk", stale_seconds=0)
    assert result["taken_over"] == "ann@laptop"
    assert locked(s3)["holder"] == "bob@desk"
    lock = Lock(s3, "releases", "dev/rollout.lock")
    with pytest.raises(LockLostError, match="bob@desk holds the lock"):
        lock.beat(first)
    lock.beat(result["identity"])
    assert locked(s3)["beats"] == 1
    assert not lock.release(first)


def test_of_two_that_take_over_at_once_one_gets_it(s3: Any) -> None:
    run()
    lock = Lock(s3, "releases", "dev/rollout.lock")
    dead = lock.read()
    with ThreadPoolExecutor(2) as pool:
        got = list(pool.map(lambda name: lock.take({"id": name, "beats": 0}, over=dead), ["a", "b"]))
    assert sorted(got) == [False, True]


def test_a_heartbeat_between_reading_and_taking_over_keeps_the_lock(s3: Any) -> None:
    identity = run()["identity"]
    lock = Lock(s3, "releases", "dev/rollout.lock")
    seen = lock.read()
    lock.beat(identity)
    assert not lock.take({"id": "other", "beats": 0}, over=seen)
    assert locked(s3)["id"] == identity


def test_a_lock_that_somebody_removed_is_lost(s3: Any) -> None:
    identity = run()["identity"]
    s3.delete_object(Bucket="releases", Key="dev/rollout.lock")
    with pytest.raises(LockLostError, match="removed"):
        Lock(s3, "releases", "dev/rollout.lock").beat(identity)
