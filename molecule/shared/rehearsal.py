"""The running rehearsal: how a test gets at it, and how it waits for it."""

import os
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import pytest

ROOT = Path(__file__).resolve().parents[2]
Value = TypeVar("Value")


def enter(target: str) -> None:
    """Point every client of this process at the local cloud of this clone; `target` starts one for these tests."""
    listing = ROOT / ".localcloud" / "env"
    if not listing.exists():
        pytest.fail(f"no rehearsal is running in this clone; `{target}` starts one for these tests")
    output = subprocess.check_output(["bash", "-c", f". {listing} && env -0"], text=True)
    os.environ.update(line.split("=", 1) for line in output.split("\0") if line)


def eventually(read: Callable[[], Value], holds: Callable[[Value], object], within: float = 90) -> Value:
    """Wait for a condition, in seconds, and show its last value when it does not come true."""
    deadline = time.monotonic() + within
    while True:
        value = read()
        if holds(value):
            return value
        if time.monotonic() > deadline:
            pytest.fail(f"not within {within} s; last seen: {value!r}")
        time.sleep(0.5)
