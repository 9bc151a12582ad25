"""The numbers that verdicts go by: of the judge of rollouts, and of reports on experiments, which import nothing of Ansible."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Limits:
    """What the judge goes by.

    Attributes:
        alpha: probability at which chance is no explanation any more (0 to 1).
        minimum_requests: of each side; below it there is no promotion.
        slowdown: ratio of new to old time, computing or waiting, from which new hosts are slow.
        slow_share: of live answers, from which slow ones matter (0 to 1).
    """

    alpha: float = 0.01
    minimum_requests: int = 20
    slowdown: float = 1.2
    slow_share: float = 0.05
