#!/usr/bin/python

import time
import uuid
from datetime import UTC, datetime
from typing import Any

from ..module_utils.module import Module, Result, run_module
from ..module_utils.rollout.lock import Held, Lock, body

DOCUMENTATION = r"""
module: rollout_lock
short_description: Takes and gives back the lock of an environment
description:
  - >-
    The lock is an object of a bucket. Whoever holds it counts heartbeats in it. One whose heartbeats have stopped for
    O(stale_seconds) is taken over: the module waits for that long, and refuses as soon as it sees a heartbeat.
options:
  state: {type: str, choices: [held, released], default: held, description: "Whether to take it or to give it back."}
  bucket: {type: str, required: true, description: "Bucket of the lock."}
  key: {type: str, required: true, description: "Key of the lock."}
  identity: {type: str, default: "", description: "C(identity) that taking it returned. Needed to give it back."}
  holder: {type: str, default: "", description: "Who takes it, for people."}
  purpose: {type: str, default: "", description: "What for, for people."}
  stale_seconds: {type: int, default: 180, description: "After so many seconds without a heartbeat the holder counts as dead."}
  pause: {type: float, default: 5, description: "Seconds between two looks at a lock that somebody else holds."}
extends_documentation_fragment: [pettracker.aws.module]
"""

EXAMPLES = r"""
- name: Be the only one
  pettracker.aws.rollout_lock:
    bucket: pettracker-dev-123456789012-releases
    key: dev/rollout.lock
    holder: me@laptop
    purpose: the release of pets 1.2.0
"""

RETURN = r"""
identity: {type: str, returned: always, description: "Names this holding of the lock, for heartbeats and for giving it back."}
taken_over: {type: str, returned: always, description: "Who held it before and counts as dead; empty if nobody."}
"""


def refuse(module: Module, held: Held) -> None:
    """Fails with who holds the lock."""
    module.fail_json(
        msg=f"Another rollout is under way. {held.sentence()} Wait until it has ended, or stop it; if its controller is "
        f"dead, run the same again: the lock is taken over after {module.params['stale_seconds']} seconds without a heartbeat."
    )


def hold(module: Module, lock: Lock) -> dict[str, Any]:
    """Takes the lock, or fails with who holds it."""
    parameters = module.params
    first = lock.read()
    if module.check_mode:
        if first and first.age < parameters["stale_seconds"]:
            refuse(module, first)
        return {"changed": True, "identity": "", "taken_over": first.body["holder"] if first else ""}
    identity = str(uuid.uuid4())
    held = first
    while True:
        if held and first and (held.body["id"], held.body["beats"]) != (first.body["id"], first.body["beats"]):
            refuse(module, held)
        if held is None or held.age >= parameters["stale_seconds"]:
            wanted = body(identity, parameters["holder"], parameters["purpose"], datetime.now(UTC))
            if lock.take(wanted, over=held):
                return {"changed": True, "identity": identity, "taken_over": held.body["holder"] if held else ""}
        else:
            time.sleep(parameters["pause"])
        held = lock.read()
        first = first or held


def run(module: Module) -> Result:
    lock = Lock(module.client("s3"), module.params["bucket"], module.params["key"])
    if module.params["state"] == "held":
        return hold(module, lock)
    changed = bool(module.params["identity"]) and not module.check_mode and lock.release(module.params["identity"])
    return {"changed": changed, "identity": "", "taken_over": ""}


if __name__ == "__main__":
    run_module(DOCUMENTATION, run, "Could not take or give back the lock of the rollout", no_log={"key": False})
