"""What ends a training before its last epoch."""


class TrainingError(Exception):
    """Training cannot go on; the message says why and what to do."""


class InterruptedTraining(Exception):
    """Training was asked to stop and wrote a checkpoint; the same command goes on from there.

    Attributes:
        reason: who asked, such as "SIGTERM" or "spot: terminate at ...".
    """

    def __init__(self, reason: str, position: str) -> None:
        super().__init__(f"interrupted by {reason} at {position}; the same command goes on from there")
        self.reason = reason
