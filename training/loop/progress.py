"""How far a training has come: what a checkpoint holds beside the state of the network."""

import math
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Self

from training.config import EarlyStopping
from training.loop.checkpoints import Position, Tensors
from training.loop.learner import Tally

_BEST = "best."


@dataclass
class Progress:
    """Where a training is.

    Attributes:
        position: of the next step.
        tally: of the epoch's steps that are done.
        epoch_seconds: spent in them.
        seconds: spent altogether, over all resumptions.
        history: a record for each epoch that is done.
        best_epoch: the one with the lowest validation loss, from 1; 0: none yet.
        best_weights: of that epoch.
        waiting: epochs without a loss that is lower by early stopping's min_delta.
        mark: the validation loss that early stopping compares with.
    """

    run_id: str
    started: str
    position: Position = field(default_factory=lambda: Position(1, 0))
    tally: Tally = field(default_factory=Tally)
    epoch_seconds: float = 0.0
    seconds: float = 0.0
    history: list[dict[str, Any]] = field(default_factory=list)
    best_epoch: int = 0
    best_weights: Tensors = field(default_factory=dict)
    waiting: int = 0
    mark: float = math.inf

    @property
    def best(self) -> dict[str, Any] | None:
        return self.history[self.best_epoch - 1] if self.best_epoch else None

    def add(self, record: dict[str, Any], min_delta: float) -> bool:
        """Add an epoch, and return whether it is the best so far."""
        loss = record["validation_loss"]
        better = self.best is None or loss < self.best["validation_loss"]
        self.history.append(record)
        if better:
            self.best_epoch = record["epoch"]
        if loss < self.mark - min_delta:
            self.mark, self.waiting = loss, 0
        else:
            self.waiting += 1
        self.position = Position(record["epoch"] + 1, 0)
        self.tally, self.epoch_seconds = Tally(), 0.0
        return better

    def done(self, epochs: int, stopping: EarlyStopping | None) -> bool:
        """Return whether there is no epoch left."""
        return self.position.epoch > epochs or (stopping is not None and self.waiting >= stopping.patience)

    def state(self) -> tuple[dict[str, Any], Tensors]:
        """Return what is no tensor, as JSON has it, and the tensors."""
        own = asdict(replace(self, best_weights={}))
        del own["best_weights"]
        own["mark"] = self.mark if math.isfinite(self.mark) else None
        return own, {f"{_BEST}{name}": value for name, value in self.best_weights.items()}

    @classmethod
    def restored(cls, state: dict[str, Any], tensors: Tensors) -> Self:
        """Return what `state` was taken from."""
        best = {key.removeprefix(_BEST): value for key, value in tensors.items() if key.startswith(_BEST)}
        own = {
            **state,
            "position": Position(*state["position"]),
            "tally": Tally(**state["tally"]),
            "mark": math.inf if state["mark"] is None else state["mark"],
        }
        return cls(**own, best_weights=best)
