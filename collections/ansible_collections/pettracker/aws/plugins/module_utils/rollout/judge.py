"""The verdict on new hosts: evidence in, promote, hold or reject out, with its reasons. Pure functions only.

New and old hosts are compared by tests that know small samples: Fisher's exact test for shares (errors, slow answers), and
Wilcoxon's signed-rank test for what the same requests take in the same rounds (see slowdown.py). A difference must be both
significant and large enough to matter: with many requests even a harmless one becomes significant.

Latencies are only compared where both sides were seen in one window. When no old host is left, hosts that have come since are
compared with those of the same release that have proved themselves beside old ones.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from scipy.stats import fisher_exact

from .limits import Limits
from .slowdown import common_inputs, in_the_same_rounds, parts

PROMOTE, HOLD, REJECT = "promote", "hold", "reject"
# A latency above this share of the old hosts' live answers is a slow answer.
SLOW_QUANTILE = 0.99
# With fewer rounds no difference is significant at one in a hundred, however large it is.
ROUNDS = 7
# New hosts that have nobody to be compared with are bad when more of their requests fail than this share.
MOST = 0.5
# How the module balancer_answers begins what it says of a request that nobody answered.
NO_ANSWER = "no answer"


@dataclass
class Traffic:
    """Requests of some hosts together.

    Attributes:
        requests, errors: errors are answers with status 500 and above, and probes without an answer.
        live: requests that are no probes.
        buckets: number of live answers that took at most so many seconds, by that bound as Prometheus writes it.
    """

    requests: int = 0
    errors: int = 0
    live: int = 0
    buckets: dict[str, int] = field(default_factory=dict)


# A verdict that a sentence asks for, and the sentence; PROMOTE is of what is known, and asks for nothing.
Finding = tuple[str, str]


def judge(
    alarms: Mapping[str, str],
    required: Iterable[str],
    new: list[dict[str, Any]],
    old: list[dict[str, Any]],
    digest: str,
    *,
    limits: Limits,
    uncounted: Iterable[str] = (),
    unheard: Iterable[str] = (),
    proven: Iterable[str] = (),
    must_compare: bool = True,
    through: Mapping[str, Any] | None = None,
) -> tuple[str, list[str]]:
    """Returns the verdict and its reasons.

    One reason to reject is enough; without one, a reason to hold is enough.

    Args:
        alarms: state by name, as DescribeAlarms says; an alarm that is not there is missing.
        required: alarms without whose data nothing is promoted.
        new, old: what was seen on each host: `instance_id`, `problem` (why it could not be looked at, or ""), `ready`,
            `reason`, `digest`, `golden` (sentences) and `watched`, as the module service_evidence returns them.
        digest: of the model that new hosts have to serve.
        uncounted: alarms that say nothing of new hosts: of old hosts as well, or ringing before anything was replaced.
        unheard: new hosts whose own metric has no data.
        proven: new hosts that were promoted beside old ones.
        must_compare: hold if old hosts are not there or have answered too little; false where new hosts were compared before,
            and for a rollback, whose old hosts may be as bad as can be.
        through: what came of requests that only new hosts should have got, through the balancer: `sent`, `errors`, `digests`.
    """
    findings = [*_alarms(alarms, required, uncounted)]
    findings += [(HOLD, f"CloudWatch has heard nothing of {host} yet.") for host in sorted(unheard)]
    for host in new:
        findings += _host(host, digest)
    if not new:
        findings.append((HOLD, "There is no new host to judge."))
    seen = [host for host in new if not host["problem"]]
    if through:
        findings.append(_through_the_balancer(through, traffic(seen).live, digest))
    compared = [host for host in old if not host["problem"]]
    if compared:
        findings += _compare(traffic(seen), traffic(compared), limits, must_compare)
        findings += _slower(seen, compared, set(proven), limits, must_compare)
    elif must_compare:
        findings.append((HOLD, "There is no old host to compare with."))
    elif seen:
        findings.append(_alone(traffic(seen), limits))
    rejects, holds, facts = ([said for asked, said in findings if asked == verdict] for verdict in (REJECT, HOLD, PROMOTE))
    if rejects:
        return REJECT, rejects + holds
    return (HOLD, holds) if holds else (PROMOTE, facts)


def traffic(hosts: Iterable[Mapping[str, Any]]) -> Traffic:
    """Returns what the hosts did while they were watched, added up."""
    total = Traffic()
    for host in hosts:
        watched = host["watched"]
        after, before = watched["after"], watched["before"]
        if before.get("started") != after.get("started"):
            before = {}  # counters begin at zero with their process
        live = max(0, after.get("requests", 0) - before.get("requests", 0) - watched["answered"])
        failed = max(0, after.get("errors", 0) - before.get("errors", 0) - watched["failed"])
        probes = sum(map(len, watched["rounds"].values())) + len(watched["errors"])
        total.live += live
        total.requests += live + probes
        total.errors += failed + len(watched["errors"])
        for bound, count in watched["buckets"].items():
            total.buckets[bound] = total.buckets.get(bound, 0) + count
    return total


def _alarms(states: Mapping[str, str], required: Iterable[str], uncounted: Iterable[str]) -> Iterator[Finding]:
    """Judges by the alarms that ring: of a release that is taken back they go on for a while, or begin only then."""
    ringing = sorted(name for name, state in states.items() if state == "ALARM")
    ignored = set(uncounted) & set(ringing)
    for name in ringing:
        if name in ignored:
            why = "it is of old hosts as well, or rang before anything was replaced"
            yield PROMOTE, f"The alarm {name} rings, and is not counted: {why}."
        else:
            yield REJECT, f"The alarm {name} rings."
    for name in sorted(required):
        if states.get(name) not in ("OK", "ALARM"):
            yield HOLD, f"The alarm {name} has no data."
    if states:
        yield PROMOTE, f"No {'other ' if ignored else ''}alarm rings, of {len(states)}."


def _host(host: Mapping[str, Any], digest: str) -> Iterator[Finding]:
    name = host["instance_id"]
    if host["problem"]:
        yield HOLD, f"{name} could not be looked at: {host['problem']}."
        return
    before, after = host["watched"]["before"], host["watched"]["after"]
    faults: dict[str, Any] = {
        f"{name} is not ready: {host['reason']}.": not host["ready"],
        f"{name} serves the model {host['digest'] or 'without a digest'}, not {digest}.": host["digest"] != digest,
        f"{name} does not give the golden answers: {'; '.join(host['golden'])}.": host["golden"],
        f"The service of {name} has started anew while it was watched.": (
            before and after and before["started"] != after["started"]
        ),
    }
    yield from ((REJECT, sentence) for sentence, is_so in faults.items() if is_so)
    if not any(faults.values()):
        yield PROMOTE, f"{name} is ready, serves the wanted model and gives the golden answers."


def _through_the_balancer(through: Mapping[str, Any], counted: int, digest: str) -> Finding:
    """Compares what was sent through the balancer with what new hosts have counted: an answer alone may be an old host's.

    Requests without any answer may have been lost on this side of the balancer, and are no reason to reject.
    """
    sent, errors = through["sent"], through["errors"]
    strangers = sorted(set(through["digests"]) - {digest})
    if strangers:
        return REJECT, f"Through the balancer, new hosts answer with {', '.join(strangers)}, not {digest}."
    if errors:
        answered = any(not error.startswith(NO_ANSWER) for error in errors)
        said = f"{len(errors)} of {sent} requests to new hosts through the balancer failed; the last: {errors[-1]}."
        return (REJECT if answered else HOLD), said
    if counted < sent:
        return HOLD, f"New hosts counted {counted} of {sent} requests that the balancer should send to them."
    return PROMOTE, f"{sent} requests through the balancer reached new hosts and were answered."


def _compare(new: Traffic, old: Traffic, limits: Limits, must_compare: bool) -> Iterator[Finding]:
    needed = limits.minimum_requests
    if old.requests < needed and not must_compare:
        yield _alone(new, limits)
    elif min(new.requests, old.requests) < needed:
        yield HOLD, f"New hosts answered {new.requests} requests, old ones {old.requests}; {needed} each are needed."
    said = f"{new.errors} of {new.requests} requests to new hosts failed and {old.errors} of {old.requests} to old ones"
    probability = _share_is_higher((new.errors, new.requests), (old.errors, old.requests))
    if new.errors and probability < limits.alpha:
        yield REJECT, f"{said}; {_chance(probability)}"
    else:
        yield PROMOTE, f"{said}."


def _alone(new: Traffic, limits: Limits) -> Finding:
    """Judges by what new hosts did, where old ones say too little."""
    if new.requests < limits.minimum_requests:
        return HOLD, f"New hosts answered {new.requests} requests; {limits.minimum_requests} are needed."
    said = f"{new.errors} of {new.requests} requests to new hosts failed"
    if new.errors > MOST * new.requests:
        return REJECT, f"{said}, most of them."
    return PROMOTE, f"{said}, and there are too few to old ones to compare them with."


def _share_is_higher(new: tuple[int, int], old: tuple[int, int]) -> float:
    """Returns the probability of so many hits (of so many tries) on the new side if both sides were alike."""
    table = [[new[0], new[1] - new[0]], [old[0], old[1] - old[0]]]
    return float(fisher_exact(table, alternative="greater").pvalue)


def _chance(probability: float) -> str:
    return f"by chance that has a probability of {probability:.2g}."


def _slower(
    new: list[dict[str, Any]], old: list[dict[str, Any]], proven: set[str], limits: Limits, must_compare: bool
) -> Iterator[Finding]:
    """Compares the latencies of hosts that were watched in one window."""
    ours, theirs, named = new, old, "old ones"
    if not in_the_same_rounds(_rounds(ours), _rounds(theirs)) and proven:
        ours = [host for host in new if host["instance_id"] not in proven]
        theirs = [host for host in new if host["instance_id"] in proven]
        named = "hosts that have proved themselves"
    together = in_the_same_rounds(_rounds(ours), _rounds(theirs))
    said = f"New hosts and {named} were asked the same in {together} rounds"
    if not common_inputs(_rounds(ours), _rounds(theirs)):
        none = "have answered no golden input in common, so no latency of probes was compared."
        yield PROMOTE, f"New hosts and {named} {none}"
    elif together >= ROUNDS:
        yield from _probes(ours, theirs, named, limits)
    elif must_compare:
        yield HOLD, f"{said}; {ROUNDS} are needed to compare latencies."
    else:
        yield PROMOTE, f"{said}, too few to compare latencies."
    if together:
        yield _live_answers(traffic(ours), traffic(theirs), limits)


def _rounds(hosts: Iterable[Mapping[str, Any]]) -> list[Any]:
    return [host["watched"]["rounds"] for host in hosts]


def _probes(new: list[dict[str, Any]], old: list[dict[str, Any]], named: str, limits: Limits) -> Iterator[Finding]:
    """Compares what the same inputs take in the same rounds."""
    compared = parts(_rounds(new), _rounds(old))
    if len(compared) == 1:
        yield PROMOTE, "These hosts do not count processor time, so only whole times were compared."
    for part in compared:
        said = f"New hosts {part.told} {part.ratio:.2f} times as long as {named}, in {part.rounds} rounds"
        if part.ratio > limits.slowdown and part.probability < limits.alpha:
            yield REJECT, f"{said}, more than {limits.slowdown:g}; {_chance(part.probability)}"
        else:
            yield PROMOTE, f"{said}."


def _live_answers(new: Traffic, old: Traffic, limits: Limits) -> Finding:
    """Compares the shares of live answers above the bound within which nearly all old answers were."""
    ours, theirs = new.buckets.get("+Inf", 0), old.buckets.get("+Inf", 0)
    if min(ours, theirs) < limits.minimum_requests:
        return PROMOTE, f"{ours} live requests to new hosts and {theirs} to old ones are too few to compare their latency."
    bound = next(bound for bound in sorted(old.buckets, key=float) if old.buckets[bound] >= SLOW_QUANTILE * theirs)
    slow_new, slow_old = ours - new.buckets.get(bound, 0), theirs - old.buckets[bound]
    said = f"{slow_new} of {ours} live answers of new hosts took more than {bound} s, and {slow_old} of {theirs} of old ones"
    probability = _share_is_higher((slow_new, ours), (slow_old, theirs))
    if slow_new / ours > limits.slow_share and probability < limits.alpha:
        return REJECT, f"{said}; {_chance(probability)}"
    return PROMOTE, f"{said}."
