"""The golden set: inputs with the reference's answers, and the rule by which another answer agrees with them."""

from collections.abc import Sequence
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field

TOP_K = 5


class Answer(BaseModel):
    """One class and its probability (0..1)."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    class_id: int = Field(ge=0)
    confidence: float = Field(ge=0, le=1)


class GoldenCase(BaseModel):
    """One input file in `golden/` (a photo, or a row of features as JSON) and the reference's likeliest classes, best first."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    input: str
    top: list[Answer] = Field(min_length=1)


class GoldenSet(BaseModel):
    """Contents of `golden/answers.json`. How far an answer may be off is a matter of each program: `Program.tolerance`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    cases: list[GoldenCase] = Field(min_length=1)

    @classmethod
    def read(cls, path: Path) -> "GoldenSet":
        return cls.model_validate_json(path.read_bytes())


def disagreements(expected: Sequence[Answer], answered: Sequence[Answer], tolerance: float) -> list[str]:
    """Compare two top lists of probabilities and return what differs by more than the tolerance (nothing: they agree).

    Classes whose probabilities lie within the tolerance of each other may change places, and so may the last of the
    list with the first outside it; everything else must be the same.
    """
    wanted = {answer.class_id: answer.confidence for answer in expected}
    got = {answer.class_id: answer.confidence for answer in answered}
    if not got:
        return ["no answer"]
    weakest_wanted, weakest_got = min(wanted.values()), min(got.values())
    problems = []
    for class_id, confidence in wanted.items():
        if class_id in got:
            if abs(got[class_id] - confidence) > tolerance:
                problems.append(f"class {class_id}: expected {confidence:.4f}, got {got[class_id]:.4f}")
        elif confidence > weakest_got + tolerance:
            problems.append(f"class {class_id}: expected {confidence:.4f}, but it is not among the answers")
    for class_id, confidence in got.items():
        if class_id not in wanted and confidence > weakest_wanted + tolerance:
            problems.append(f"class {class_id}: answered with {confidence:.4f}, which the reference does not")
    return problems
