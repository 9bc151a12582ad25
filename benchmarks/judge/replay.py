"""Rollouts that the judge itself decides, on what was recorded."""

from typing import Any

from ansible_collections.pettracker.aws.plugins.module_utils.rollout.judge import REJECT, Limits, judge

from benchmarks.judge.hosts import OLD, UNCHANGED
from benchmarks.judge.record import Sample

DIGEST = "sha256:new"


def rejects(samples: list[Sample], number: int, release: str) -> bool:
    """Say whether a rollout is rejected, at its canary or at its end, when the old host was seen in the sample before."""
    canary, old = host("canary", samples[number], release), host("old", samples[number], OLD)
    if verdict([canary], [old]) == REJECT:
        return True
    # The other new host has the release as well; where there is one service of it, a second one of the same speed.
    other = host("other", samples[number], OLD if release == UNCHANGED else release)
    earlier = host("old", samples[number - 1], OLD)
    return verdict([canary, other], [earlier], proven=["canary"]) == REJECT


def verdict(new: list[dict[str, Any]], old: list[dict[str, Any]], proven: list[str] | None = None) -> str:
    """Return the judge's verdict on hosts of which nothing but their latencies is in question."""
    options = {"limits": Limits(), "proven": proven or [], "must_compare": not proven}
    return str(judge({}, [], new, old, DIGEST, **options)[0])


def host(name: str, sample: Sample, recorded: str) -> dict[str, Any]:
    """Return the evidence of one host, in which only the rounds are recorded."""
    taken = sample["together"][recorded]
    rounds = {number: dict(zip(map(str, range(len(answers))), answers, strict=True)) for number, answers in taken.items()}
    answered = sum(map(len, rounds.values()))
    counters = {"started": 1.0, "requests": 0, "errors": 0}
    watched = {
        **{"rounds": rounds, "errors": [], "answered": answered, "failed": 0, "buckets": {}},
        **{"before": counters, "after": counters | {"requests": answered}},
    }
    said = {"problem": "", "ready": True, "reason": "", "digest": DIGEST, "golden": []}
    return {"instance_id": name, "watched": watched} | said
