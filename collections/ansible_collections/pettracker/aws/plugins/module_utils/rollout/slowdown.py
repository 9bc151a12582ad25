"""Whether some hosts answer the same requests more slowly than others that were asked in the same rounds. Pure functions only.

The time of an answer has three parts: the service computes, it waits for a processor, and it waits for something else. Other
load on a machine changes the second one, by as much as it likes; the release changes the first (more code, a bigger model) and
the last (locks, sleeps, a disk; what a hypervisor takes away belongs here as well). So these two are compared by themselves.
The whole time is compared too, for what a host does beside its service, but has to be longer in three of four rounds.

The kernel counts processes and not requests. While a host serves somebody else as well, its service computes more, and does so
side by side with the answer, so that less time seems to be left for anything else: hosts without traffic, such as those of a
second fleet, would seem to wait longer. So computing is compared by the answers of a round for which least was computed, and
waiting by what exceeds most answers, for other requests can only take from it.

A round is one observation, for what disturbs it disturbs all of its answers. Differences are tested by Wilcoxon's signed-rank
test (Biometrics Bulletin 1, 1945), which pairs new and old hosts by their rounds.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import wilcoxon

# By number, and then by the sha256 of the input, the seconds of one answer: all, computing, and waiting for a processor.
# The last two are None where no kernel has counted them; see probing.Seen.rounds.
Rounds = Mapping[str, Mapping[str, list[float | None]]]
# The same of one host: by number and input, shape (3,).
_Answers = dict[int, dict[str, NDArray[np.float64]]]
# What is compared of one host, by number of the round.
_Series = dict[int, float]
# The share of a round's answers for which least was computed, at least one.
LEAST = 1 / 3
# The share of the answers to an input of which what they wait is not told apart, for the side that waits less.
MOST = 0.75
# A host that was late in one round took the turn before or after.
_NEIGHBOURS = (0, -1, 1)


@dataclass(frozen=True)
class Part:
    """How much longer new hosts take for a part of the time.

    Attributes:
        told: what they do, for people.
        ratio: their time as a multiple of old hosts'.
        probability: of such differences if both were alike.
        rounds: in which both were asked.
    """

    told: str
    ratio: float
    probability: float
    rounds: int


def common_inputs(new: Iterable[Rounds], old: Iterable[Rounds]) -> set[str]:
    """Returns the inputs that hosts of both sides have answered."""
    return _answered(new) & _answered(old)


def in_the_same_rounds(new: Iterable[Rounds], old: Iterable[Rounds]) -> int:
    """Returns in how many rounds hosts of both sides have answered the same input."""
    return len(_pairs(_answers(new), _answers(old)))


def parts(new: Iterable[Rounds], old: Iterable[Rounds]) -> list[Part]:
    """Returns the parts of the time that can be compared: computing, waiting for something else, and the whole."""
    ours, theirs = _answers(new), _answers(old)
    found = []
    ours_counted, theirs_counted = _counted(ours), _counted(theirs)
    ours_paired, theirs_paired = _in_pairs(ours_counted, theirs_counted)
    usual = _usual(ours_paired + theirs_paired)
    computing = _more([_computing(host, usual) for host in ours_paired], [_computing(host, usual) for host in theirs_paired])
    if len(computing):
        found.append(_part("compute", computing, np.exp(np.median(computing))))
        # What is usual for each side is seen best in all of its rounds, those without a pair among them.
        floor = _floor(ours_counted, theirs_counted)
        # As a share of what an answer takes: what waits for nothing cannot be divided by.
        typical = np.median([seconds[0] for sent, seconds in _usual(theirs_counted).items() if sent in floor])
        waiting = _more([_waiting(host, floor) for host in ours_paired], [_waiting(host, floor) for host in theirs_paired])
        found.append(_part("wait for something else than a processor", waiting / typical, 1 + np.median(waiting) / typical))
    whole = _wholes(*_in_pairs(ours, theirs))
    if len(whole):
        found.append(_part("answer", whole, np.exp(np.quantile(whole, 0.25))))
    return found


def _answered(hosts: Iterable[Rounds]) -> set[str]:
    return {sent for rounds in hosts for taken in rounds.values() for sent in taken}


def _answers(hosts: Iterable[Rounds]) -> list[_Answers]:
    return [
        {int(number): {sent: np.array(seconds, float) for sent, seconds in taken.items()} for number, taken in rounds.items()}
        for rounds in hosts
    ]


def _pairs(new: list[_Answers], old: list[_Answers]) -> dict[int, tuple[int, set[str]]]:
    """Returns, for rounds of new hosts, the round of old ones to compare with and the inputs that both answered in them."""
    ours, theirs = _inputs(new), _inputs(old)
    pairs = {}
    for number, sent in ours.items():
        for other in (number + step for step in _NEIGHBOURS):
            common = sent & theirs.get(other, set())
            if common:
                pairs[number] = other, common
                break
    return pairs


def _inputs(hosts: list[_Answers]) -> dict[int, set[str]]:
    """Returns the inputs that any of the hosts has answered, by number of the round."""
    numbers = {number for host in hosts for number in host}
    return {number: {sent for host in hosts for sent in host.get(number, {})} for number in numbers}


def _in_pairs(new: list[_Answers], old: list[_Answers]) -> tuple[list[_Answers], list[_Answers]]:
    """Returns both sides' answers to the same inputs in the same rounds, by number of the new hosts' round.

    An input that one side has hardly answered would tell what the input takes, and not what the release does.
    """
    pairs = _pairs(new, old)
    ours = [_only(host, {number: (number, common) for number, (_, common) in pairs.items()}) for host in new]
    return ours, [_only(host, pairs) for host in old]


def _only(host: _Answers, pairs: Mapping[int, tuple[int, set[str]]]) -> _Answers:
    return {
        number: {sent: seconds for sent, seconds in host[own].items() if sent in common}
        for number, (own, common) in pairs.items()
        if common & host.get(own, {}).keys()
    }


def _counted(hosts: list[_Answers]) -> list[_Answers]:
    """Returns the rounds in which the kernel has counted."""
    return [{number: taken for number, taken in host.items() if not np.isnan(list(taken.values())).any()} for host in hosts]


def _of_input(hosts: list[_Answers]) -> dict[str, NDArray[np.float64]]:
    """Returns all answers to each input: shape (answers, 3)."""
    gathered: dict[str, list[NDArray[np.float64]]] = {}
    for host in hosts:
        for taken in host.values():
            for sent, seconds in taken.items():
                gathered.setdefault(sent, []).append(seconds)
    return {sent: np.array(seconds) for sent, seconds in gathered.items()}


def _usual(hosts: list[_Answers]) -> dict[str, NDArray[np.float64]]:
    return {sent: np.median(seconds, axis=0) for sent, seconds in _of_input(hosts).items()}


def _computing(host: _Answers, usual: Mapping[str, NDArray[np.float64]]) -> _Series:
    own = _usual([host])
    series = {}
    for number, taken in host.items():
        least = sorted(taken, key=lambda sent: taken[sent][1] / own[sent][1])[: max(1, round(len(taken) * LEAST))]
        series[number] = float(np.median([np.log(taken[sent][1] / usual[sent][1]) for sent in least]))
    return series


def _waiting(host: _Answers, floor: Mapping[str, float]) -> _Series:
    return {
        number: float(np.mean([max(_rest(seconds) - floor[sent], 0.0) for sent, seconds in taken.items()]))
        for number, taken in host.items()
    }


def _wholes(new: list[_Answers], old: list[_Answers]) -> NDArray[np.float64]:
    usual = _usual(new + old)

    def series(host: _Answers) -> _Series:
        return {
            number: float(np.median([np.log(seconds[0] / usual[sent][0]) for sent, seconds in taken.items()]))
            for number, taken in host.items()
        }

    return _more([series(host) for host in new], [series(host) for host in old])


def _floor(new: list[_Answers], old: list[_Answers]) -> dict[str, float]:
    """Returns, for each input, what most answers of the side that waits less have left, in seconds."""
    ours, theirs = (
        {sent: float(np.quantile(_rest(seconds), MOST)) for sent, seconds in _of_input(side).items()} for side in (new, old)
    )
    return {sent: min(ours[sent], theirs[sent]) for sent in ours.keys() & theirs.keys()}


def _rest(seconds: NDArray[np.float64]) -> NDArray[np.float64]:
    """Returns what is neither computing nor waiting for a processor. Threads side by side make it negative, on both sides."""
    rest: NDArray[np.float64] = seconds[..., 0] - seconds[..., 1] - seconds[..., 2]
    return rest


def _more(new: list[_Series], old: list[_Series]) -> NDArray[np.float64]:
    """Returns by how much new hosts exceed old ones in each round; both sides have the same rounds, see `_in_pairs`."""
    ours, theirs = _of_side(new), _of_side(old)
    return np.array([value - theirs[number] for number, value in sorted(ours.items())])


def _of_side(hosts: list[_Series]) -> _Series:
    numbers = {number for host in hosts for number in host}
    return {number: float(np.median([host[number] for host in hosts if number in host])) for number in numbers}


def _part(told: str, more: NDArray[np.float64], ratio: float) -> Part:
    probability = float(wilcoxon(more, alternative="greater").pvalue) if more.any() else 1.0
    return Part(told, float(ratio), probability, len(more))
