"""Preprocessing that training and serving share: Pillow and numpy only.

The geometry is that of torchvision's `Resize(n)` followed by `CenterCrop(m)`, so a model trained with those transforms
sees the same pixels here. Only the crop is ever computed: an image of 1x50,000,000 pixels costs no more than a square
one.
"""

from typing import Annotated, Literal, Self

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from pydantic import BaseModel, ConfigDict, Field, model_validator

_FILTERS = {"bilinear": Image.Resampling.BILINEAR, "bicubic": Image.Resampling.BICUBIC}

Channels = tuple[float, float, float]
PositiveChannels = tuple[
    Annotated[float, Field(gt=0)],
    Annotated[float, Field(gt=0)],
    Annotated[float, Field(gt=0)],
]


class Preprocessing(BaseModel):
    """What the model was evaluated with.

    Attributes:
        resize_shorter_side: pixels of the shorter side after resizing.
        interpolation: Pillow filter, with antialiasing.
        crop: side in pixels of the central square that the model sees.
        mean, std: per channel (red, green, blue), for pixels scaled to 0..1.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    resize_shorter_side: int = Field(gt=0, le=4096)
    interpolation: Literal["bilinear", "bicubic"]
    crop: int = Field(gt=0, le=4096)
    mean: Channels
    std: PositiveChannels

    @model_validator(mode="after")
    def _crop_fits(self) -> Self:
        if self.crop > self.resize_shorter_side:
            raise ValueError("crop is larger than resize_shorter_side")
        return self


def prepare(image: Image.Image, preprocessing: Preprocessing) -> NDArray[np.float32]:
    """Turn an RGB image into the model's input.

    Args:
        image: RGB, any size.

    Returns:
        float32 array of shape (3, crop, crop), normalised.
    """
    shorter, crop = preprocessing.resize_shorter_side, preprocessing.crop
    scale_base = min(image.size)
    width, height = (shorter if side == scale_base else int(shorter * side / scale_base) for side in image.size)
    left, top = round((width - crop) / 2), round((height - crop) / 2)
    x_scale, y_scale = image.width / width, image.height / height
    box = (left * x_scale, top * y_scale, (left + crop) * x_scale, (top + crop) * y_scale)
    pixels = image.resize((crop, crop), _FILTERS[preprocessing.interpolation], box=box)
    scaled = np.asarray(pixels, dtype=np.float32) / np.float32(255)
    normalised = (scaled - np.array(preprocessing.mean, np.float32)) / np.array(preprocessing.std, np.float32)
    return np.ascontiguousarray(normalised.transpose(2, 0, 1))
