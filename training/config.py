"""The configuration of a training project: one YAML file, validated before anything is read or downloaded.

Unknown keys are refused. The packaged ones are in `training/configs/`; `load_config("fashion")` reads one of them, and a path
reads a file.
"""

from pathlib import Path
from typing import Annotated, Any, Literal, Self

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from bundle.manifest import ModelName
from bundle.preprocessing import Preprocessing

CONFIGS = Path(__file__).parent / "configs"


class ConfigError(ValueError):
    """The file is no configuration; the message names the key and says what is wrong with it."""


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class FolderData(_Strict):
    """Photos in one folder for each class: `<path>/<class>/<photo>`. The path may be s3://bucket/prefix."""

    source: Literal["folder"]
    path: str | None = Field(default=None, description="Overridden by --data; one of them has to be given.")


class OxfordPetsData(_Strict):
    """Oxford-IIIT Pet (37 breeds) as torchvision downloads it: `images/` and `annotations/` below the path."""

    source: Literal["oxford-pets"]
    path: str | None = None
    download: bool = False


class FashionData(_Strict):
    """Fashion-MNIST as Debian's dataset-fashion-mnist installs it; its own 10,000 test photos are the test split."""

    source: Literal["fashion-mnist"]
    path: str = "/usr/share/datasets/fashion-mnist"


class CsvData(_Strict):
    """Rows of features with a header; the path may be s3://bucket/key.

    Attributes:
        path: None: scikit-learn's packaged Iris.
        label: name of the column of the class; the others are the features, in their order.
    """

    source: Literal["csv"]
    path: str | None = None
    label: str


Data = Annotated[FolderData | OxfordPetsData | FashionData | CsvData, Field(discriminator="source")]


class Split(_Strict):
    """Shares of the items, by hash of each item's content, in each class: an item never changes sides when others come or go.

    Attributes:
        test: not used where the data brings its own test split.
        seed: other seeds split otherwise.
    """

    validation: float = Field(default=0.1, gt=0, lt=0.5)
    test: float = Field(default=0.1, gt=0, lt=0.5)
    seed: int = Field(default=0, ge=0)


class ImageConfig(_Strict):
    """The model takes photos."""

    kind: Literal["image"]
    preprocessing: Preprocessing


class FeatureConfig(_Strict):
    """The model takes rows of numbers; they are standardised with the mean and deviation of the training split."""

    kind: Literal["features"]


class Augmentation(_Strict):
    """What happens to a training photo, with torchvision's transforms v2. Everything off: the preprocessing of serving.

    Attributes:
        min_scale: of the random crop, as a share of the area; 1: no random crop.
        flip: mirror every other photo.
        policy: "trivial" is TrivialAugmentWide.
        mixup: alpha of mixup; 0: none.
    """

    min_scale: float = Field(default=1.0, gt=0, le=1)
    flip: bool = False
    policy: Literal["none", "trivial"] = "none"
    mixup: float = Field(default=0.0, ge=0, le=1)


class Network(_Strict):
    """The network.

    Attributes:
        backbone: "efficientnet-lite0" (packaged ImageNet weights), "torchvision/<model>" or "mlp" (rows of features).
        pretrained: start from pretrained weights; "torchvision/..." downloads them, or reads `weights`.
        weights: safetensors file of the backbone's state dict, in place of a download.
        hidden: width of the hidden layer of an mlp.
        dropout: before the last layer.
    """

    backbone: str = Field(pattern=r"^(efficientnet-lite0|torchvision/[a-z0-9_]+|mlp)$")
    pretrained: bool = False
    weights: Path | None = None
    hidden: int = Field(default=16, gt=0)
    dropout: float = Field(default=0.0, ge=0, lt=1)

    @model_validator(mode="after")
    def _weights_are_used(self) -> Self:
        if self.weights and not self.pretrained:
            raise ValueError("weights are read only with pretrained: true")
        return self


class EarlyStopping(_Strict):
    """Stop after this many epochs without a lower validation loss."""

    patience: int = Field(gt=0)
    min_delta: float = Field(default=0.0, ge=0)


class Training(_Strict):
    """How the network is trained.

    Attributes:
        epochs: passes over the training split, the frozen ones included.
        frozen_epochs: at the start, with only the last layer trained.
        batch_size: items of one step, of all processes together.
        learning_rate: peak of the schedule (linear warm-up, then cosine), of the last layer.
        backbone_learning_rate: the same of all other layers once they are trained; None: a tenth.
        class_weights: "balanced" weighs each class by the inverse of its share.
        amp: autocast, bfloat16 on CPU and float16 with scaling on CUDA; "auto": where the device computes it natively.
        channels_last: memory format of photos; faster for convolutions on most devices.
        workers: processes that read photos; 0: none.
        seed: of everything that is random.
    """

    epochs: int = Field(gt=0, le=10_000)
    frozen_epochs: int = Field(default=0, ge=0)
    batch_size: int = Field(gt=0)
    learning_rate: float = Field(gt=0)
    backbone_learning_rate: float | None = Field(default=None, gt=0)
    weight_decay: float = Field(default=0.01, ge=0)
    label_smoothing: float = Field(default=0.0, ge=0, lt=1)
    class_weights: Literal["none", "balanced"] = "none"
    early_stopping: EarlyStopping | None = None
    amp: Literal["auto", "on", "off"] = "off"
    channels_last: bool = True
    workers: int = Field(default=0, ge=0)
    seed: int = Field(default=0, ge=0)

    @model_validator(mode="after")
    def _thaws(self) -> Self:
        if self.frozen_epochs > self.epochs:
            raise ValueError("frozen_epochs is more than epochs")
        return self


class Card(_Strict):
    """The parts of the model card that people write."""

    title: str
    details: str
    intended_use: str
    out_of_scope: str
    factors: str
    limits: str


class ProjectConfig(_Strict):
    """One training project.

    Attributes:
        name: of the model, in bundles and the registry.
        data_licence: licence of the training data.
        licence: SPDX identifier of the model's weights.
    """

    name: ModelName
    licence: str
    data_licence: str
    data_description: str
    data: Data
    split: Split = Split()
    input: Annotated[ImageConfig | FeatureConfig, Field(discriminator="kind")]
    augmentation: Augmentation = Augmentation()
    network: Network
    training: Training
    card: Card

    @model_validator(mode="after")
    def _parts_fit(self) -> Self:
        rows = self.input.kind == "features"
        if rows != (self.data.source == "csv"):
            raise ValueError("input.kind features goes with data.source csv, and image with the others")
        if rows != (self.network.backbone == "mlp"):
            raise ValueError("network.backbone mlp is for input.kind features, and the others for image")
        if rows and (self.augmentation.min_scale < 1 or self.augmentation.flip or self.augmentation.policy != "none"):
            raise ValueError("augmentation.min_scale, flip and policy are for photos; rows of features have mixup only")
        if rows and self.network.pretrained:
            raise ValueError("network.pretrained: there are no pretrained weights of an mlp")
        return self


def packaged() -> list[str]:
    """Return the names of the packaged configurations."""
    return sorted(path.stem for path in CONFIGS.glob("*.yml"))


def load_config(name_or_path: str, overrides: dict[str, Any] | None = None) -> ProjectConfig:
    """Read a packaged configuration by name, or a file by path.

    Args:
        overrides: values by dotted key, such as {"training.epochs": 2}; strings are read as YAML.

    Raises:
        ConfigError
    """
    path = CONFIGS / f"{name_or_path}.yml" if name_or_path in packaged() else Path(name_or_path)
    try:
        document = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        known = ", ".join(packaged())
        raise ConfigError(f"cannot read {path}: {error.strerror}; packaged configurations: {known}") from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} is no YAML: {_one_line(error)}") from None
    if not isinstance(document, dict):
        raise ConfigError(f"{path}: a configuration is a mapping of keys to values")
    for key, value in (overrides or {}).items():
        _override(document, key, value)
    try:
        return ProjectConfig.model_validate(document)
    except ValidationError as error:
        problems = [f"{'.'.join(map(str, each['loc'])) or 'file'}: {each['msg']}" for each in error.errors()]
        raise ConfigError(f"{path}: " + "; ".join(problems)) from None


def _override(document: dict[str, Any], key: str, value: Any) -> None:
    *parents, last = key.split(".")
    for parent in parents:
        document = document.setdefault(parent, {})
        if not isinstance(document, dict):
            raise ConfigError(f"{key}: {parent} has no keys")
    try:
        document[last] = yaml.safe_load(value) if isinstance(value, str) else value
    except yaml.YAMLError as error:
        raise ConfigError(f"{key}: {value!r} is no YAML: {_one_line(error)}") from None


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())
