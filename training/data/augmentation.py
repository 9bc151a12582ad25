"""What happens to training photos, with torchvision's transforms v2.

Each photo is changed by random numbers of its own, which depend on the seed, the epoch and the photo only.
"""

import hashlib
import math

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from bundle.images import SCALING_MARGIN
from training.config import ImageConfig, ProjectConfig
from training.data.items import Items
from training.vision import v2

_FILTERS = {"bilinear": v2.InterpolationMode.BILINEAR, "bicubic": v2.InterpolationMode.BICUBIC}


class Augmenter:
    """Augments the items of one epoch.

    Attributes:
        shorter_side: pixels that a decoder has to leave, so that the smallest crop is not enlarged.
    """

    def __init__(self, items: Items, config: ProjectConfig, seed: int, epoch: int) -> None:
        if not isinstance(config.input, ImageConfig):
            raise TypeError("only photos are augmented")
        preprocessing, chosen = config.input.preprocessing, config.augmentation
        self._items = items
        self._key = (seed, epoch)
        self._mirrored = np.zeros(len(items), np.bool_)
        if chosen.flip:
            self._mirrored = np.random.default_rng((seed, epoch, 1)).random(len(items)) < 0.5
        self._crop: v2.Transform | None = None
        if chosen.min_scale < 1:
            self._crop = v2.RandomResizedCrop(
                preprocessing.crop, scale=(chosen.min_scale, 1.0), interpolation=_FILTERS[preprocessing.interpolation]
            )
        self.shorter_side = math.ceil(preprocessing.crop * SCALING_MARGIN / math.sqrt(chosen.min_scale))
        self._policy = v2.TrivialAugmentWide() if chosen.policy == "trivial" else None

    def batch(self, indices: NDArray[np.int64]) -> NDArray[np.uint8]:
        """Return uint8 (n, crop, crop, 3)."""
        if self._crop is None and self._policy is None:
            pixels = self._items.batch(indices)
        else:
            pixels = np.stack([self._changed(int(index)) for index in indices])
        mirrored = self._mirrored[indices]
        pixels[mirrored] = pixels[mirrored, :, ::-1]
        return pixels

    def _changed(self, index: int) -> NDArray[np.uint8]:
        # The transforms draw from torch's generator, which the training needs as it was.
        with torch.random.fork_rng(devices=[]):
            torch.default_generator.manual_seed(_seed(*self._key, index))
            if self._crop is None:
                image = Image.fromarray(self._items.prepared(index))
            else:
                image = self._crop(self._items.photo(index, self.shorter_side))
            if self._policy is not None:
                image = self._policy(image)
        return np.asarray(image)


def _seed(*parts: int) -> int:
    """Return a seed of 63 bits that differs wherever one of the parts does."""
    digest = hashlib.sha256(",".join(map(str, parts)).encode()).digest()
    return int.from_bytes(digest[:8], "big") >> 1
