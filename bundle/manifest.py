"""The manifest: what a bundle holds, and the sha256 of every file in it."""

import json
import re
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints, ValidationError, model_validator

from bundle.errors import BundleError
from bundle.preprocessing import Preprocessing

SCHEMA_VERSION = 3
MANIFEST_FILE = "manifest.json"
SIGNATURE_FILE = "model.sig"
MODEL_CARD_FILE = "MODEL_CARD.md"
GOLDEN_FILE = "golden/answers.json"

_COMPONENT = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")

BackendName = Literal["openvino", "torch"]


def _plain_relative_path(path: str) -> str:
    """Accept `a/b.txt`; refuse absolute paths, `..`, backslashes, hidden names and the manifest's own name."""
    if not all(_COMPONENT.fullmatch(part) for part in path.split("/")):
        raise ValueError(f"{path!r} is not a plain relative path of letters, digits, '.', '_' and '-'")
    if path == MANIFEST_FILE:
        raise ValueError(f"{MANIFEST_FILE} cannot list itself")
    return path


def _parents(path: str) -> set[str]:
    parts = path.split("/")
    return {"/".join(parts[:length]) for length in range(1, len(parts))}


FilePath = Annotated[str, AfterValidator(_plain_relative_path)]
Sha256 = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
Digest = Annotated[str, StringConstraints(pattern=r"^sha256:[0-9a-f]{64}$")]
ProgramName = Annotated[str, StringConstraints(pattern=r"^[a-z0-9]+(-[a-z0-9]+)*$", max_length=64)]
ModelName = Annotated[str, StringConstraints(pattern=r"^[a-z0-9]+(-[a-z0-9]+)*$", max_length=64)]
# Semantic Versioning 2.0.0, without build metadata: "+" is awkward in object keys.
VERSION = re.compile(r"^(0|[1-9]\d*)\.(0|[1-9]\d*)\.(0|[1-9]\d*)(-[0-9A-Za-z-]+(\.[0-9A-Za-z-]+)*)?\Z")
ModelVersion = Annotated[str, StringConstraints(pattern=VERSION, max_length=64)]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class FileEntry(_Strict):
    """One file of the bundle: its sha256 (hex) and its size in bytes."""

    sha256: Sha256
    bytes: int = Field(ge=0)


class ImageInput(_Strict):
    """The model takes photos. One item is uint8 pixels (crop, crop, 3), red, green, blue, made by `bundle.images`."""

    kind: Literal["image"]
    preprocessing: Preprocessing

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of one item."""
        return self.preprocessing.crop, self.preprocessing.crop, 3

    @property
    def dtype(self) -> Literal["uint8", "float32"]:
        """numpy name of the items' type."""
        return "uint8"


class FeatureInput(_Strict):
    """The model takes a row of numbers. One item is float32 (len(names),), unscaled.

    Attributes:
        names: what each number is, in order.
    """

    kind: Literal["features"]
    names: list[str] = Field(min_length=1, max_length=4096)

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of one item."""
        return (len(self.names),)

    @property
    def dtype(self) -> Literal["uint8", "float32"]:
        """numpy name of the items' type."""
        return "float32"


class Agreement(_Strict):
    """How a program's answers compare with the reference's.

    The reference is the torch network, or, of a model that was imported as ONNX, that model as ONNX's own evaluator answers
    it. On the samples, an fp32 program stands for it, which answers the golden set as the reference does.

    Attributes:
        top1: share of the samples for which both put the same class first.
        max_abs_difference: largest difference of a probability.
        samples: how many real inputs were compared; none of them was used for calibration.
    """

    top1: float = Field(ge=0, le=1)
    max_abs_difference: float = Field(ge=0, le=1)
    samples: int = Field(ge=1)


class Program(_Strict):
    """How one engine runs the model.

    A program takes a batch (n, *input.shape) of the input's type and answers probabilities, float32 (n, classes):
    normalisation and softmax are part of it.

    Attributes:
        path: the exported program (`.pt2`) or the OpenVINO IR (`.xml`).
        weights: the file of weights that belongs to the program, where the format keeps them apart (`.bin`).
        precision: numeric type of the arithmetic.
        tolerance: by how much an answer may differ from the golden set's, in probability.
    """

    backend: BackendName
    precision: Literal["fp32", "int8"]
    path: FilePath
    weights: FilePath | None = None
    agreement: Agreement
    tolerance: float = Field(gt=0, lt=1)


class Source(_Strict):
    """Where the weights came from, and the sha256 of the file as it was received."""

    description: str
    sha256: Sha256


class TrainingData(_Strict):
    """What the model was trained on. `digest` is null when the data never passed through this project."""

    description: str
    digest: Digest | None


class Lineage(_Strict):
    """The training run that the weights come from, in the registry's `experiments/<name>/<run_id>/`.

    Attributes:
        git_revision: commit of the training code, with "+changes" where it was changed; "" outside of a work tree.
        config_digest: of the run's `config.yml`.
    """

    run_id: str
    git_revision: str
    config_digest: Digest
    seed: int


class Manifest(_Strict):
    """Contents of `manifest.json`. Unknown keys are refused, so that a newer format is never half understood.

    Attributes:
        program: name of the chosen one of `programs`.
        min_agreement: share of top-1 answers in which the chosen program has to agree with the reference.
        lineage: null where this project did not train the model.
    """

    schema_version: Literal[3]  # SCHEMA_VERSION; a type takes no name for a number
    name: ModelName
    version: ModelVersion
    licence: str
    source: Source
    input: Annotated[ImageInput | FeatureInput, Field(discriminator="kind")]
    classes: list[str] = Field(min_length=2)
    weights: FilePath
    programs: dict[ProgramName, Program] = Field(min_length=1)
    program: ProgramName
    min_agreement: float = Field(ge=0, le=1)
    metrics: dict[str, float]
    training_data: TrainingData
    lineage: Lineage | None = None
    code_revision: str
    library_versions: dict[str, str]
    files: dict[FilePath, FileEntry]

    @property
    def chosen(self) -> Program:
        """The program that hosts run: the fastest at release among those that agree with the reference."""
        return self.programs[self.program]

    @model_validator(mode="after")
    def _chose_a_program_that_agrees(self) -> Self:
        if self.program not in self.programs:
            raise ValueError(f"the chosen program {self.program!r} is not among the programs {sorted(self.programs)}")
        if self.chosen.agreement.top1 < self.min_agreement:
            raise ValueError(
                f"the chosen program {self.program} agrees with the reference on {self.chosen.agreement.top1:.1%} of the "
                f"samples, less than min_agreement {self.min_agreement:.1%}"
            )
        return self

    @model_validator(mode="after")
    def _names_only_its_own_files(self) -> Self:
        if len(set(self.classes)) != len(self.classes):
            raise ValueError("two classes have the same name")
        named = {self.weights, MODEL_CARD_FILE, GOLDEN_FILE}
        for program in self.programs.values():
            named.update(path for path in (program.path, program.weights) if path)
        folders = {parent for path in self.files for parent in _parents(path)}
        if folders & self.files.keys():
            raise ValueError(f"{min(folders & self.files.keys())!r} is listed as a file and as a directory")
        missing = sorted(named - self.files.keys())
        if missing:
            raise ValueError(f"'files' lacks {', '.join(missing)}")
        return self

    def to_bytes(self) -> bytes:
        """Return the one canonical JSON text of this manifest (sorted keys, UTF-8, final newline)."""
        document = self.model_dump(mode="json")
        return (json.dumps(document, indent=1, sort_keys=True, ensure_ascii=False) + "\n").encode()


class _SchemaVersion(BaseModel):
    schema_version: int


def parse_manifest(data: bytes) -> Manifest:
    """Read a manifest.

    Raises:
        BundleError: it is not JSON, is of another schema version, or breaks a rule; each broken rule is listed.
    """
    try:
        other = _SchemaVersion.model_validate_json(data).schema_version
        if other != SCHEMA_VERSION:
            raise BundleError(
                MANIFEST_FILE,
                f"has schema_version {other}, and this release reads {SCHEMA_VERSION}; use the release that the bundle was "
                "made for, or export the model again",
            )
        return Manifest.model_validate_json(data)
    except ValidationError as error:
        problems = [
            f"{'.'.join(str(part) for part in item['loc']) or 'manifest'}: {item['msg']}"
            for item in error.errors(include_url=False, include_context=False, include_input=False)[:5]
        ]
        raise BundleError(MANIFEST_FILE, "; ".join(problems)) from None
