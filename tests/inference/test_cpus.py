"""The CPUs that a quota leaves."""

import os
from pathlib import Path

import pytest

from inference.cpus import usable_cpus


@pytest.fixture
def many_cpus(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: set(range(16)))


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text + "\n")


@pytest.mark.usefixtures("many_cpus")
@pytest.mark.parametrize(
    ("quotas", "expected"),
    [
        ({"cpu.max": "max 100000"}, 16),
        ({"app/cpu.max": "200000 100000"}, 2),
        ({"app/cpu.max": "150000 100000"}, 2),
        ({"app/cpu.max": "10000 100000"}, 1),
        ({"cpu.max": "300000 100000", "app/cpu.max": "max 100000"}, 3),
        ({"app/cpu.max": "nonsense"}, 16),
    ],
)
def test_version_2(tmp_path: Path, quotas: dict[str, str], expected: int) -> None:
    for name, text in quotas.items():
        _write(tmp_path / name, text)
    _write(tmp_path / "own", "0::/app")
    assert usable_cpus(tmp_path, tmp_path / "own") == expected


@pytest.mark.usefixtures("many_cpus")
@pytest.mark.parametrize(("quota", "expected"), [("-1", 16), ("250000", 3)])
def test_version_1(tmp_path: Path, quota: str, expected: int) -> None:
    _write(tmp_path / "cpu,cpuacct/app/cpu.cfs_quota_us", quota)
    _write(tmp_path / "cpu,cpuacct/app/cpu.cfs_period_us", "100000")
    _write(tmp_path / "own", "5:memory:/app\n4:cpu,cpuacct:/app\n0::/")
    assert usable_cpus(tmp_path, tmp_path / "own") == expected


def test_this_machine() -> None:
    assert 1 <= usable_cpus() <= len(os.sched_getaffinity(0))
