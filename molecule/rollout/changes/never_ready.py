"""A release whose hosts never get ready: the end of the warm-up is not noticed."""

from inference.state import State


def _unnoticed(_state: State) -> None:
    """Stay as it is."""


State.warmed_up = _unnoticed
