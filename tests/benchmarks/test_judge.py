"""The judge of rollouts on what was recorded of services under bursts of other load; no service is started."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.judge import former, replay
from benchmarks.judge.__main__ import read, rejected
from benchmarks.judge.hosts import OLD, SLOWER, UNCHANGED

ROOT = Path(__file__).parents[2]
SAMPLES = read()


def test_twenty_rollouts_of_each_kind_are_recorded() -> None:
    assert len(SAMPLES) == 20
    assert all(set(sample["together"]) == {UNCHANGED, OLD, *SLOWER} == set(sample["in_turn"]) for sample in SAMPLES)


def test_of_twenty_unchanged_releases_at_most_one_is_rejected_and_none_for_want_of_data() -> None:
    assert rejected(SAMPLES, replay.rejects, UNCHANGED) <= 1
    hosts = [(replay.host("new", sample, UNCHANGED), replay.host("old", sample, OLD)) for sample in SAMPLES]
    assert [replay.verdict([new], [old]) for new, old in hosts].count("promote") >= 19


@pytest.mark.parametrize("release", SLOWER)
def test_of_twenty_that_are_a_third_slower_at_least_nineteen_are(release: str) -> None:
    assert rejected(SAMPLES, replay.rejects, release) >= 19


def test_who_asks_hosts_one_after_the_other_takes_the_burst_for_the_release() -> None:
    assert rejected(SAMPLES, former.rejects, UNCHANGED) > 5


def test_the_table_has_both_ways(tmp_path: Path) -> None:
    some = tmp_path / "samples.json"
    some.write_text(json.dumps(SAMPLES[:3]))
    # What `make bench-judge` runs, which takes all of them.
    command = [sys.executable, "-m", "benchmarks.judge", "--output", str(some)]
    ran = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr
    head, *lines = ran.stdout.splitlines()
    assert re.split(r"\s{2,}", head) == ["rejected of 3", UNCHANGED, *SLOWER]
    assert [line.split("  ")[0] for line in lines] == ["one after the other (formerly)", "in the same rounds"]
    assert all(int(number) <= 3 for line in lines for number in line.split()[-3:])
