"""What a bundle has to pass before anything is published: a golden set, the floor of the inventory, a higher version."""

from pydantic import ValidationError

from bundle import Bundle, BundleError
from bundle.manifest import GOLDEN_FILE
from bundle.registry import precedence
from delivery.documents import faults
from delivery.environment import Environment, Pin
from delivery.errors import DeliveryError

ACCURACY = "test_accuracy"


def check_golden_set(bundle: Bundle) -> int:
    """Return how many golden inputs the bundle has. Raises DeliveryError where a host could not be checked by them."""
    try:
        cases = bundle.golden().cases
        for case in cases:
            bundle.path(f"golden/{case.input}")
    except (BundleError, ValidationError) as error:
        problem = f"{GOLDEN_FILE}: {faults(error)}" if isinstance(error, ValidationError) else error
        raise DeliveryError(f"{_named(bundle)} has no usable golden set ({problem}); export it again") from None
    return len(cases)


def check_floor(bundle: Bundle, environment: Environment) -> float | None:
    """Return the bundle's test accuracy, if it names one.

    Raises DeliveryError where it is no share, below the inventory's floor, or unknown where there is a floor.
    """
    accuracy = bundle.manifest.metrics.get(ACCURACY)
    if accuracy is not None and not 0 <= accuracy <= 1:  # NaN is neither, and below no floor
        raise DeliveryError(
            f"{_named(bundle)} states a {ACCURACY} of {accuracy}, which is no share of 1: evaluate its run anew"
        )
    floor = environment.min_accuracy
    if floor > 0 and accuracy is None:
        raise DeliveryError(
            f"{_named(bundle)} names no {ACCURACY}, and {environment.name} asks for {floor:.1%} (model_min_accuracy): run "
            "`python -m training evaluate` on its run and export it again"
        )
    if accuracy is not None and accuracy < floor:
        raise DeliveryError(
            f"{_named(bundle)} has a test accuracy of {accuracy:.1%}, below the {floor:.1%} that {environment.name} asks for "
            "(model_min_accuracy)"
        )
    return accuracy


def check_version(candidate: Pin, pinned: Pin | None, allow_downgrade: bool) -> None:
    """Raises DeliveryError when a lower version of the same model is pinned over a higher one without being asked to."""
    if pinned is None or pinned.name != candidate.name:
        return
    if pinned.version == candidate.version and pinned.digest != candidate.digest:
        raise DeliveryError(
            f"{pinned.name} {pinned.version} is pinned with the digest {pinned.digest}, and this bundle has "
            f"{candidate.digest}: give the new model a new version"
        )
    if precedence(candidate.version) < precedence(pinned.version) and not allow_downgrade:
        raise DeliveryError(
            f"{candidate.name} {candidate.version} is lower than {pinned.version}, which is pinned; give --allow-downgrade to "
            "go back on purpose"
        )


def _named(bundle: Bundle) -> str:
    return f"{bundle.manifest.name} {bundle.manifest.version}"
