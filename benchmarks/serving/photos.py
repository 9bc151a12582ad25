"""The two photos that are sent: the repository's cat at the size of a web page's picture and of a phone's camera."""

from pathlib import Path

import numpy as np
from PIL import Image

SOURCE = Path(__file__).parents[2] / "tests" / "data" / "cat.jpg"
# Width and height in pixels. Enlarging leaves a photo smooth, which a JPEG decoder finds easier than what a camera writes;
# noise of this deviation (grey levels of 256) brings the large one to a camera's 4 MB.
SIZES = {"small": (640, 480), "large": (4000, 3000)}
NOISE = {"small": 4.0, "large": 9.0}
QUALITY = 90


def write_photo(name: str, path: Path) -> Path:
    """Write the photo called "small" or "large" as a JPEG, always the same bytes with one version of Pillow."""
    with Image.open(SOURCE) as source:
        enlarged = np.asarray(source.convert("RGB").resize(SIZES[name], Image.Resampling.BICUBIC), dtype=np.float32)
    noise = np.random.default_rng(0).normal(0, NOISE[name], enlarged.shape)
    pixels = np.clip(enlarged + noise, 0, 255).astype(np.uint8)
    Image.fromarray(pixels).save(path, "JPEG", quality=QUALITY)
    return path
