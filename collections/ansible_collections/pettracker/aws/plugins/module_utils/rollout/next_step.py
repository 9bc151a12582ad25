"""What a rollout does next, from what was found and measured. Pure functions only; the role `rollout` carries it out."""

from .judge import HOLD, PROMOTE, REJECT
from .steps import State, Step, Strategy


def next_step(state: State, strategy: Strategy) -> Step:
    """Returns what a rollout does next."""
    if state.failure:
        return _after_a_failure(state)
    if not state.held:
        return _opening(state)
    times = strategy.times
    # Another look may be as long as each is allowed to be.
    if state.verdict == HOLD and state.looks < times.looks and not strategy.lateness(state, times.look_seconds):
        return Step("look")
    if state.verdict not in ("", PROMOTE):
        said = "New hosts are bad." if state.verdict == REJECT else "New hosts did not prove themselves in time."
        return Step("refuse", " ".join([said, *state.reasons]))
    late = strategy.lateness(state) if state.verdict else ""
    if late:
        return Step("refuse", late)
    left = [percentage for percentage in state.checkpoints if percentage > state.percentage]
    return strategy.step(state, left[0]) if state.begun and left else Step("finish")


def _after_a_failure(state: State) -> Step:
    if state.lock_lost:
        return Step("leave", state.failure, outcome="taken over")
    return Step("undo" if state.begun else "leave", state.failure)


def _opening(state: State) -> Step:
    if state.action in ("start", "follow", "clean"):
        return Step("begin")
    if state.action == "none" and not state.recorded:
        return Step("record", "The fleet has the version already.", outcome="deployed")
    return Step("leave")
