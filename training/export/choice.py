"""Which of a bundle's programs the hosts run."""

from collections.abc import Mapping
from dataclasses import dataclass

from bundle.manifest import Agreement

# What runs unless something else is clearly faster.
DEFAULT_ORDER = ("openvino-fp32", "torch-fp32", "openvino-int8")
# A smaller lead could be noise of the measurement, and the choice would differ from export to export.
CLEAR_LEAD = 1.1


@dataclass(frozen=True)
class Measured:
    """What was measured of one program.

    Attributes:
        agreement: with the reference, on samples that calibrated nothing.
        golden_difference: largest difference of a probability over the golden set.
        tolerance: the difference that is allowed.
        items_per_second: speed on the exporting machine.
        seconds_per_item: time of a single item there, the median.
        accuracy: share of right answers on the samples, where these are labelled.
    """

    agreement: Agreement
    golden_difference: float
    tolerance: float
    items_per_second: float
    seconds_per_item: float = 0.0
    accuracy: float | None = None

    def objection(self, min_agreement: float) -> str | None:
        """Return why this program cannot be chosen, or None."""
        if self.agreement.top1 < min_agreement:
            return (
                f"agrees with the reference on {self.agreement.top1:.1%} of {self.agreement.samples} samples, "
                f"less than {min_agreement:.1%}"
            )
        if self.golden_difference > self.tolerance:
            return f"is off by {self.golden_difference:.3g} on the golden set, more than {self.tolerance:g}"
        return None


def choose(programs: Mapping[str, Measured], min_agreement: float) -> str:
    """Return the fastest program that agrees, or the first of DEFAULT_ORDER that does if none is clearly faster.

    Raises:
        ValueError: none agrees.
    """
    agreeing = [name for name in DEFAULT_ORDER if name in programs and not programs[name].objection(min_agreement)]
    if not agreeing:
        raise ValueError("no program agrees with the reference")
    default = agreeing[0]
    fastest = max(agreeing, key=lambda name: programs[name].items_per_second)
    if programs[fastest].items_per_second >= CLEAR_LEAD * programs[default].items_per_second:
        return fastest
    return default


def table(programs: Mapping[str, Measured], chosen: str, min_agreement: float) -> list[str]:
    """Return the lines that tell what was measured, and why a program was not chosen."""
    lines = [f"{'program':<16}{'items/s':>9}{'agreement':>11}{'accuracy':>10}{'golden ±':>10}"]
    for name, measured in programs.items():
        mark = "  chosen" if name == chosen else ""
        lines.append(
            f"{name:<16}{measured.items_per_second:>9.1f}{measured.agreement.top1:>11.1%}"
            f"{'-' if measured.accuracy is None else f'{measured.accuracy:.1%}':>10}{measured.golden_difference:>10.2g}{mark}"
        )
    lines += [
        f"{name} {objection}: it will not be chosen"
        for name, measured in programs.items()
        if (objection := measured.objection(min_agreement))
    ]
    return lines
