"""`evaluation.json`: what was measured of a run, for the report, the model card, the export and the registry."""

import hashlib
import json
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, computed_field, model_validator

from training.run import Run, RunError

FILE = "evaluation.json"
# Computed from others when the file is written; read again, they are dropped.
_REPEATED = ("test_accuracy", "validation_accuracy", "samples", "expected_calibration_error")
# Figures of one program: speeds, sizes, agreement, and which one was chosen.
ProgramFigures = dict[str, float | str | bool | None]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)


class Calibrated(_Strict):
    """A figure with the network's own confidences and with those divided by the temperature."""

    before: float
    after: float


class Bin(_Strict):
    """Answers whose confidence is in (lower, upper]: how many, how confident, and what share of them is right."""

    lower: float
    upper: float
    count: int
    confidence: float
    accuracy: float


class Figures(_Strict):
    """What was measured on one split.

    Attributes:
        accuracy: share of items whose first answer is right.
        accuracy_interval: 95 % confidence interval of the accuracy (Wilson, 1927).
        top5_accuracy: the right class is among the first five; None with five classes or fewer.
        balanced_accuracy: mean recall of the classes that occur.
        macro_f1: mean F1 of the classes that occur.
        majority_class: the one that most items have; majority_accuracy: of always answering it.
        negative_log_likelihood: mean, in nats.
        expected_calibration_error: Guo et al., "On Calibration of Modern Neural Networks" (2017), equation 3.
        reliability_before, reliability_after: bins of that error, without and with the temperature.
    """

    samples: int = Field(gt=0)
    accuracy: float = Field(ge=0, le=1)
    accuracy_interval: tuple[float, float]
    top5_accuracy: float | None
    balanced_accuracy: float
    macro_f1: float
    majority_class: str
    majority_accuracy: float
    negative_log_likelihood: Calibrated
    expected_calibration_error: Calibrated
    reliability_before: list[Bin]
    reliability_after: list[Bin]


class ClassFigures(_Strict):
    """One class of the test split. Precision is 0 where the class was never answered, recall where it never occurs."""

    name: str = Field(validation_alias="class", serialization_alias="class")
    precision: float
    recall: float
    f1: float
    support: int


class Mistake(_Strict):
    """An item that was named wrongly.

    Attributes:
        confidence: in the wrong answer, with the temperature.
        features: the row, where the model takes rows of features.
    """

    id: str
    truth: str
    answer: str
    confidence: float
    features: list[float] | None = None


class Evaluation(_Strict):
    """What was measured of one run's best weights. Lists are in the order of the network's outputs.

    Attributes:
        data_digest: of the data that was measured on.
        other_test_set: that is not the data that the run was trained with; `validation` and `temperature` are then those of
            the evaluation on its own.
        temperature: divides the logits; fitted on the validation split.
        temperature_note: "" or why the temperature was left at 1.
        confusion: items by [truth][answer] of the test split.
        mistakes: the worst ones of the test split: wrong with the highest confidence.
        latency: figures of each exported program, by its name.
    """

    format: Literal[1] = 1
    name: str
    run_id: str
    weights_sha256: str
    data_digest: str
    other_test_set: bool
    test: Figures
    validation: Figures
    temperature: float = Field(gt=0)
    temperature_note: str
    per_class: list[ClassFigures]
    validation_per_class: list[ClassFigures]
    confusion: list[list[int]]
    mistakes: list[Mistake]
    latency: dict[str, ProgramFigures] = {}

    @computed_field  # type: ignore[prop-decorator]
    @property
    def test_accuracy(self) -> float:
        return self.test.accuracy

    @computed_field  # type: ignore[prop-decorator]
    @property
    def validation_accuracy(self) -> float:
        return self.validation.accuracy

    @computed_field  # type: ignore[prop-decorator]
    @property
    def samples(self) -> int:
        return self.test.samples

    @computed_field  # type: ignore[prop-decorator]
    @property
    def expected_calibration_error(self) -> Calibrated:
        return self.test.expected_calibration_error

    @property
    def classes(self) -> list[str]:
        return [each.name for each in self.per_class]

    @model_validator(mode="before")
    @classmethod
    def _drop_repeated(cls, document: Any) -> Any:
        if isinstance(document, dict):
            return {key: value for key, value in document.items() if key not in _REPEATED}
        return document

    def write(self, directory: Path) -> None:
        """Write `evaluation.json`: the same figures give the same bytes."""
        directory.mkdir(parents=True, exist_ok=True)
        document = self.model_dump(mode="json", by_alias=True)
        part = directory / f".{FILE}.part"
        part.write_text("{\n" + ",\n".join(f'"{key}": {_lines(value)}' for key, value in document.items()) + "\n}\n")
        part.replace(directory / FILE)


def read_evaluation(run: Run) -> Evaluation:
    """Read what `evaluate` wrote about a run's present weights.

    Raises:
        RunError: there is none, or it is about other weights.
    """
    return read_directory(run, run.evaluation)


def read_directory(run: Run, directory: Path) -> Evaluation:
    """As `read_evaluation`, from another directory: that of another test set. Raises RunError."""
    path = directory / FILE
    again = f"run `python -m training evaluate {run.root}`"
    try:
        evaluation = Evaluation.model_validate_json(path.read_bytes())
    except FileNotFoundError:
        raise RunError(f"{run.root} is not evaluated: {again}") from None
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(map(str, first["loc"])) or "file"
        raise RunError(f"{path} cannot be read: {key}: {first['msg']}; {again}") from None
    if evaluation.weights_sha256 != weights_sha256(run):
        raise RunError(f"{path} is about other weights than those in {run.weights.name} now: {again} again")
    return evaluation


def weights_sha256(run: Run) -> str:
    """Return the digest, in hex, of a run's weights. Raises RunError without any."""
    try:
        with run.weights.open("rb") as weights:
            return hashlib.file_digest(weights, "sha256").hexdigest()
    except FileNotFoundError:
        raise RunError(f"{run.root} has no {run.weights.name}: its training is not done") from None


def _lines(value: Any) -> str:
    """JSON with one element of a long list a line: a matrix of 1000 classes stays readable, and diffs stay small."""
    if isinstance(value, list) and value:
        return "[\n" + ",\n".join(f" {json.dumps(each)}" for each in value) + "\n]"
    return json.dumps(value)
