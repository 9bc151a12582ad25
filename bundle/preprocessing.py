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

FILTERS = {"bilinear": Image.Resampling.BILINEAR, "bicubic": Image.Resampling.BICUBIC}


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


def crop_box(size: tuple[int, int], preprocessing: Preprocessing) -> tuple[float, float, float, float]:
    """Return which part of an image of that size becomes the crop: left, top, right, bottom in its pixels."""
    left, right = _crop_span(size[0], min(size), preprocessing)
    top, bottom = _crop_span(size[1], min(size), preprocessing)
    return left, top, right, bottom


def _crop_span(side: int, shorter: int, preprocessing: Preprocessing) -> tuple[float, float]:
    """Return where along one side the crop starts and ends. All in pixels of the original."""
    resized = preprocessing.resize_shorter_side * side // shorter
    start = round((resized - preprocessing.crop) / 2)
    # Of whole numbers, multiplied first: so no rounding error leads out of the image.
    return start * side / resized, (start + preprocessing.crop) * side / resized


def prepare(image: Image.Image, preprocessing: Preprocessing) -> NDArray[np.uint8]:
    """Turn an RGB image into the model's input.

    Args:
        image: RGB, any size.

    Returns:
        uint8 array of shape (crop, crop, 3).
    """
    side = (preprocessing.crop, preprocessing.crop)
    box = crop_box(image.size, preprocessing)
    return np.asarray(image.resize(side, FILTERS[preprocessing.interpolation], box=box))
