"""Preprocessing that training and serving share: Pillow and numpy only.

The geometry is that of torchvision's `Resize(n)` followed by `CenterCrop(m)`, so a model trained with those transforms
sees the same pixels here. Only the crop is ever computed: an image of 1x50,000,000 pixels costs no more than a square
one.
"""

from typing import Literal, Self

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from pydantic import BaseModel, ConfigDict, Field, model_validator

_FILTERS = {"bilinear": Image.Resampling.BILINEAR, "bicubic": Image.Resampling.BICUBIC}


class Preprocessing(BaseModel):
    """What the model was evaluated with.

    Attributes:
        resize_shorter_side: pixels of the shorter side after resizing.
        interpolation: Pillow filter, with antialiasing.
        crop: side in pixels of the central square that the model sees.

    Scaling of the values (mean, std) is no part of it: the exported program does that.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    resize_shorter_side: int = Field(gt=0, le=4096)
    interpolation: Literal["bilinear", "bicubic"]
    crop: int = Field(gt=0, le=4096)

    @model_validator(mode="after")
    def _crop_fits(self) -> Self:
        if self.crop > self.resize_shorter_side:
            raise ValueError("crop is larger than resize_shorter_side")
        return self


def prepare(image: Image.Image, preprocessing: Preprocessing) -> NDArray[np.uint8]:
    """Turn an RGB image into the model's input.

    Args:
        image: RGB, any size.

    Returns:
        uint8 array of shape (crop, crop, 3).
    """
    shorter, crop = preprocessing.resize_shorter_side, preprocessing.crop
    scale_base = min(image.size)
    width, height = (shorter if side == scale_base else int(shorter * side / scale_base) for side in image.size)
    left, top = round((width - crop) / 2), round((height - crop) / 2)
    x_scale, y_scale = image.width / width, image.height / height
    box = (left * x_scale, top * y_scale, (left + crop) * x_scale, (top + crop) * y_scale)
    return np.asarray(image.resize((crop, crop), _FILTERS[preprocessing.interpolation], box=box))
