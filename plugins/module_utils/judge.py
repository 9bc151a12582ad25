"""The verdict on new hosts: evidence in, promote, hold or reject out, with its reasons. Pure functions only.

New and old hosts are compared by tests that know small samples: Fisher's exact test for shares (errors, slow answers), the
Mann-Whitney test for the latencies of single requests (Annals of Mathematical Statistics 18, 1947). A difference must be both
significant and large enough to matter: with many requests even a harmless one becomes significant.
"""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from scipy.stats import fisher_exact, mannwhitneyu

PROMOTE, HOLD, REJECT = "promote", "hold", "reject"
# A latency above this share of the old hosts' live answers is a slow answer.
SLOW_QUANTILE = 0.99
# How the module balancer_answers begins what it says of a request that nobody answered.
NO_ANSWER = "no answer"


@dataclass(frozen=True)
class Limits:
    """What the judge goes by.

    Attributes:
        alpha: probability at which chance is no explanation any more (0 to 1).
        minimum_requests: of each side; below it there is no promotion.
        slowdown: ratio of new to old latencies from which new hosts are slow.
        slow_share: of live answers, from which slow ones matter (0 to 1).
    """

    alpha: float = 0.01
    minimum_requests: int = 20
    slowdown: float = 1.2
    slow_share: float = 0.05


@dataclass
class Traffic:
    """Requests of some hosts together.

    Attributes:
        requests, errors: errors are answers with status 500 and above, and probes without an answer.
        buckets: number of live answers that took at most so many seconds, by that bound as Prometheus writes it.
        latencies: of probes, in seconds, by the sha256 of what was sent.
    """

    requests: int = 0
    errors: int = 0
    live: int = 0
    buckets: dict[str, int] = field(default_factory=dict)
    latencies: dict[str, list[float]] = field(default_factory=dict)


@dataclass(frozen=True)
class Findings:
    """Sentences, by what they ask for."""

    rejects: list[str] = field(default_factory=list)
    holds: list[str] = field(default_factory=list)
    facts: list[str] = field(default_factory=list)

    def add(self, other: Findings) -> None:
        self.rejects.extend(other.rejects)
        self.holds.extend(other.holds)
        self.facts.extend(other.facts)


def judge(
    alarms: Mapping[str, str],
    required: Iterable[str],
    new: list[dict[str, Any]],
    old: list[dict[str, Any]],
    digest: str,
    *,
    limits: Limits,
    rang: Iterable[str] = (),
    unheard: Iterable[str] = (),
    must_compare: bool = True,
    through: Mapping[str, Any] | None = None,
) -> tuple[str, list[str]]:
    """Returns the verdict and its reasons.

    One reason to reject is enough; without one, a reason to hold is enough.

    Args:
        alarms: state by name, as DescribeAlarms says; an alarm that is not there is missing.
        required: alarms without whose data nothing is promoted.
        new, old: what was seen on each host: `instance_id`, `problem` (why it could not be looked at, or ""), `ready`,
            `reason`, `digest`, `golden` (sentences, none if it agrees), `before` and `after` (counters of
            `exposition.counters` and their `started`), `probes` (`latencies` and `errors`).
        digest: of the model that new hosts have to serve.
        rang: alarms that rang before anything was replaced, and say nothing of new hosts.
        unheard: new hosts whose own metric has no data.
        must_compare: hold if there is no old host; false where new hosts were compared before.
        through: what came of requests that only new hosts should have got, through the balancer: `sent`, `errors`, `digests`.
    """
    found = Findings()
    found.add(_alarms(alarms, required, rang))
    found.holds.extend(f"CloudWatch has heard nothing of {host} yet." for host in sorted(unheard))
    for host in new:
        found.add(_host(host, digest))
    if not new:
        found.holds.append("There is no new host to judge.")
    seen = [host for host in new if not host["problem"]]
    if through:
        found.add(_through_the_balancer(through, traffic(seen).live, digest))
    compared = [host for host in old if not host["problem"]]
    if compared:
        found.add(_compare(traffic(seen), traffic(compared), limits))
    elif must_compare:
        found.holds.append("There is no old host to compare with.")
    if found.rejects:
        return REJECT, found.rejects + found.holds
    return (HOLD, found.holds) if found.holds else (PROMOTE, found.facts)


def traffic(hosts: Iterable[Mapping[str, Any]]) -> Traffic:
    """Returns what the hosts did between their two looks and when they were asked, added up."""
    total = Traffic()
    for host in hosts:
        after = host.get("after") or {}
        before = host.get("before") or {}
        if before.get("started") != after.get("started"):
            before = {}  # counters begin at zero with their process
        probes = host.get("probes") or {}
        live = after.get("requests", 0) - before.get("requests", 0)
        total.live += live
        total.requests += live + sum(map(len, probes.get("latencies", {}).values())) + len(probes.get("errors", []))
        total.errors += after.get("errors", 0) - before.get("errors", 0) + len(probes.get("errors", []))
        for bound, count in after.get("buckets", {}).items():
            total.buckets[bound] = total.buckets.get(bound, 0) + count - before.get("buckets", {}).get(bound, 0)
        for sent, latencies in probes.get("latencies", {}).items():
            total.latencies.setdefault(sent, []).extend(latencies)
    return total


def _alarms(states: Mapping[str, str], required: Iterable[str], rang: Iterable[str]) -> Findings:
    """Judges by the alarms that ring now and did not before: those of a release that is taken back go on for a while."""
    found, before = Findings(), set(rang)
    for name, state in sorted(states.items()):
        if state == "ALARM" and name in before:
            found.facts.append(f"The alarm {name} rings, as it did before anything was replaced.")
        elif state == "ALARM":
            found.rejects.append(f"The alarm {name} rings.")
    for name in sorted(required):
        if states.get(name) not in ("OK", "ALARM"):
            found.holds.append(f"The alarm {name} has no data.")
    if states:
        found.facts.append(
            f"No other alarm rings, of {len(states)}." if found.facts else f"No alarm rings, of {len(states)}."
        )
    return found


def _host(host: Mapping[str, Any], digest: str) -> Findings:
    name, found = host["instance_id"], Findings()
    if host["problem"]:
        found.holds.append(f"{name} could not be looked at: {host['problem']}.")
        return found
    if not host["ready"]:
        found.rejects.append(f"{name} is not ready: {host['reason']}.")
    if host["digest"] != digest:
        found.rejects.append(f"{name} serves the model {host['digest'] or 'without a digest'}, not {digest}.")
    if host["golden"]:
        found.rejects.append(f"{name} does not give the golden answers: {'; '.join(host['golden'])}.")
    before, after = host.get("before"), host.get("after")
    if before and after and before["started"] != after["started"]:
        found.rejects.append(f"The service of {name} has started anew while it was watched.")
    if not found.rejects:
        found.facts.append(f"{name} is ready, serves the wanted model and gives the golden answers.")
    return found


def _through_the_balancer(through: Mapping[str, Any], counted: int, digest: str) -> Findings:
    """Compares what was sent through the balancer with what new hosts have counted: an answer alone may be an old host's.

    Requests without any answer may have been lost on this side of the balancer, and are no reason to reject.
    """
    sent, errors = through["sent"], through["errors"]
    strangers = sorted(set(through["digests"]) - {digest})
    if strangers:
        return Findings(rejects=[f"Through the balancer, new hosts answer with {', '.join(strangers)}, not {digest}."])
    if errors:
        said = [f"{len(errors)} of {sent} requests to new hosts through the balancer failed; the last: {errors[-1]}."]
        answered = any(not error.startswith(NO_ANSWER) for error in errors)
        return Findings(rejects=said) if answered else Findings(holds=said)
    if counted < sent:
        return Findings(
            holds=[f"New hosts counted {counted} of {sent} requests that the balancer should send to them."]
        )
    return Findings(facts=[f"{sent} requests through the balancer reached new hosts and were answered."])


def _compare(new: Traffic, old: Traffic, limits: Limits) -> Findings:
    found = Findings()
    if min(new.requests, old.requests) < limits.minimum_requests:
        found.holds.append(
            f"New hosts answered {new.requests} requests, old ones {old.requests}; {limits.minimum_requests} each are needed."
        )
    for part in (_errors(new, old, limits), _probes(new, old, limits), _live_answers(new, old, limits)):
        found.add(part)
    return found


def _share_is_higher(new: tuple[int, int], old: tuple[int, int]) -> float:
    """Returns the probability of so many hits (of so many tries) on the new side if both sides were alike."""
    table = [[new[0], new[1] - new[0]], [old[0], old[1] - old[0]]]
    return float(fisher_exact(table, alternative="greater").pvalue)


def _errors(new: Traffic, old: Traffic, limits: Limits) -> Findings:
    said = f"{new.errors} of {new.requests} requests to new hosts failed and {old.errors} of {old.requests} to old ones"
    probability = _share_is_higher((new.errors, new.requests), (old.errors, old.requests))
    if new.errors and probability < limits.alpha:
        return Findings(rejects=[f"{said}; by chance that has a probability of {probability:.2g}."])
    return Findings(facts=[f"{said}."])


def _probes(new: Traffic, old: Traffic, limits: Limits) -> Findings:
    """Compares the latencies of the same inputs, each as a multiple of the old hosts' median for it."""
    common = sorted(sent for sent in new.latencies if new.latencies[sent] and old.latencies.get(sent))
    if not common:
        return Findings(
            facts=["New and old hosts have no golden input in common, so no latency of probes was compared."]
        )
    medians = {sent: statistics.median(old.latencies[sent]) for sent in common}
    ours = [value / medians[sent] for sent in common for value in new.latencies[sent]]
    theirs = [value / medians[sent] for sent in common for value in old.latencies[sent]]
    if min(len(ours), len(theirs)) < limits.minimum_requests:
        return Findings(
            holds=[
                f"Only {len(ours)} latencies of new hosts can be compared with {len(theirs)} of old ones: "
                f"{limits.minimum_requests} each are needed."
            ]
        )
    # What disturbs a host delays some answers; another model or slower code delays the fast ones as well.
    ratio = min(_quantile(ours, share) / _quantile(theirs, share) for share in (0.25, 0.5))
    probability = float(mannwhitneyu(ours, theirs, alternative="greater").pvalue)
    said = f"New hosts answer the same requests in {ratio:.2f} times the old hosts' time"
    if ratio > limits.slowdown and probability < limits.alpha:
        return Findings(
            rejects=[f"{said}, more than {limits.slowdown:g}; by chance that has a probability of {probability:.2g}."]
        )
    return Findings(facts=[f"{said}."])


def _live_answers(new: Traffic, old: Traffic, limits: Limits) -> Findings:
    """Compares the shares of live answers above the bound within which nearly all old answers were."""
    ours, theirs = new.buckets.get("+Inf", 0), old.buckets.get("+Inf", 0)
    if min(ours, theirs) < limits.minimum_requests:
        return Findings(
            facts=[f"{ours} live requests to new hosts and {theirs} to old ones are too few to compare their latency."]
        )
    bound = next(
        bound
        for bound, count in sorted(old.buckets.items(), key=lambda item: float(item[0]))
        if count >= SLOW_QUANTILE * theirs
    )
    slow_new, slow_old = ours - new.buckets.get(bound, 0), theirs - old.buckets[bound]
    said = f"{slow_new} of {ours} live answers of new hosts took more than {bound} s, and {slow_old} of {theirs} of old ones"
    probability = _share_is_higher((slow_new, ours), (slow_old, theirs))
    if slow_new / ours > limits.slow_share and probability < limits.alpha:
        return Findings(rejects=[f"{said}; by chance that has a probability of {probability:.2g}."])
    return Findings(facts=[f"{said}."])


def _quantile(values: list[float], share: float) -> float:
    ordered = sorted(values)
    return ordered[int(share * (len(ordered) - 1))]
