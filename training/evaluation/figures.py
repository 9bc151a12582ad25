"""Figures from answers: pure functions over logits (n, classes) and labels (n,)."""

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize_scalar
from scipy.special import log_softmax
from scipy.stats import binomtest
from sklearn.metrics import precision_recall_fscore_support, top_k_accuracy_score

from training.evaluation.record import Bin, Calibrated, ClassFigures, Figures

Logits = NDArray[np.float64]
Labels = NDArray[np.int64]

# Guo et al. (2017), section 4: "On Calibration of Modern Neural Networks" uses 15 bins.
BINS = 15
# One parameter is fitted, but with fewer items a handful of mistakes decides it.
MIN_CALIBRATION_ITEMS = 100
# Outside of these the likelihood has no minimum to speak of: every answer is right, or none means anything.
_TEMPERATURES = (0.05, 20.0)
_TOP = 5


def rounded(value: float) -> float:
    """Six significant digits: what is below that differs between machines and batch sizes."""
    return float(f"{value:.6g}")


def fit_temperature(logits: Logits, labels: Labels) -> tuple[float, str]:
    """Return the temperature with the highest likelihood of the labels, and "" or why it was left at 1.

    Guo et al. (2017), section 4.2. The likelihood has one maximum over the inverse temperature, so a bounded search finds it.
    """
    if len(labels) < MIN_CALIBRATION_ITEMS:
        return (1.0, f"the validation split has {len(labels)} items, and calibration takes {MIN_CALIBRATION_ITEMS} or more")
    if (logits.argmax(axis=1) == labels).all():
        return 1.0, "every answer on the validation split is right, so it cannot show how confident is too confident"
    low, high = np.log(_TEMPERATURES)
    found = minimize_scalar(
        lambda power: likelihood_loss(logits / np.exp(power), labels),
        bounds=(low, high),
        method="bounded",
        options={"xatol": 1e-5},
    )
    if min(found.x - low, high - found.x) < 1e-3:
        return 1.0, "no temperature between 0.05 and 20 fits the validation split"
    return rounded(float(np.exp(found.x))), ""


def likelihood_loss(logits: Logits, labels: Labels) -> float:
    """Return the mean negative log likelihood, in nats."""
    return float(-log_softmax(logits, axis=1)[np.arange(len(labels)), labels].mean())


def probabilities(logits: Logits, temperature: float) -> Logits:
    """Return softmax of logits divided by the temperature."""
    return np.asarray(np.exp(log_softmax(logits / temperature, axis=1)))


def reliability(chances: Logits, labels: Labels) -> list[Bin]:
    """Sort answers into 15 bins of equal width by their confidence; a confidence on a border belongs to the bin below."""
    confidence, right = chances.max(axis=1), chances.argmax(axis=1) == labels
    borders = np.linspace(0, 1, BINS + 1)
    which = np.clip(np.searchsorted(borders, confidence, side="left") - 1, 0, BINS - 1)
    bins = []
    for index in range(BINS):
        inside = which == index
        count = int(inside.sum())
        bins.append(
            Bin(
                lower=rounded(borders[index]),
                upper=rounded(borders[index + 1]),
                count=count,
                confidence=rounded(confidence[inside].mean()) if count else 0.0,
                accuracy=rounded(right[inside].mean()) if count else 0.0,
            )
        )
    return bins


def calibration_error(bins: list[Bin]) -> float:
    """Return the expected calibration error: mean distance of confidence and accuracy, weighted by the bins' items."""
    items = sum(each.count for each in bins)
    return rounded(sum(each.count * abs(each.confidence - each.accuracy) for each in bins) / items)


def accuracy_interval(right: int, items: int) -> tuple[float, float]:
    """Return Wilson's 95 % confidence interval of a share, which stays within 0..1 and holds for few items too."""
    interval = binomtest(right, items).proportion_ci(0.95, method="wilson")
    return rounded(interval.low), rounded(interval.high)


def class_figures(answers: Labels, labels: Labels, classes: list[str]) -> list[ClassFigures]:
    """Return precision, recall, F1 and support of each class."""
    ids = np.arange(len(classes))
    figures = precision_recall_fscore_support(labels, answers, labels=ids, zero_division=0.0)
    return [
        ClassFigures(name=name, precision=rounded(p), recall=rounded(r), f1=rounded(f), support=int(support))
        for name, p, r, f, support in zip(classes, *figures, strict=True)
    ]


def split_figures(logits: Logits, labels: Labels, temperature: float, classes: list[ClassFigures]) -> Figures:
    """Return the figures of one split; `classes` are those of the same split."""
    before, after = (reliability(probabilities(logits, each), labels) for each in (1.0, temperature))
    right = int((logits.argmax(axis=1) == labels).sum())
    largest = max(classes, key=lambda each: each.support)
    occurring = [each for each in classes if each.support]
    top5 = top_k_accuracy_score(labels, logits, k=_TOP, labels=np.arange(len(classes))) if len(classes) > _TOP else None
    return Figures(
        samples=len(labels),
        accuracy=rounded(right / len(labels)),
        accuracy_interval=accuracy_interval(right, len(labels)),
        top5_accuracy=None if top5 is None else rounded(top5),
        balanced_accuracy=rounded(float(np.mean([each.recall for each in occurring]))),
        macro_f1=rounded(float(np.mean([each.f1 for each in occurring]))),
        majority_class=largest.name,
        majority_accuracy=rounded(largest.support / len(labels)),
        negative_log_likelihood=Calibrated(
            before=rounded(likelihood_loss(logits, labels)), after=rounded(likelihood_loss(logits / temperature, labels))
        ),
        expected_calibration_error=Calibrated(before=calibration_error(before), after=calibration_error(after)),
        reliability_before=before,
        reliability_after=after,
    )
