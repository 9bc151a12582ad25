"""The training loop: from data and a configuration to weights, whatever happens in between."""

from training.loop.errors import InterruptedTraining, TrainingError
from training.loop.loop import Options, train
from training.loop.processes import Processes, joined
from training.loop.reporting import Reporter

__all__ = ["InterruptedTraining", "Options", "Processes", "Reporter", "TrainingError", "joined", "train"]
