"""Decoding of the image formats that the service accepts, to RGB."""

import io
import warnings
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

from bundle.preprocessing import Preprocessing, prepare

FORMATS = ("JPEG", "PNG", "WEBP")
_SIGNATURES = (b"\xff\xd8\xff", b"\x89PNG", b"RIFF")


class ImageError(Exception):
    """The bytes cannot be used as an image; the message is fit for the person who sent them."""


class UnsupportedFormatError(ImageError):
    """Not a JPEG, PNG or WebP file."""


class UndecodableError(ImageError):
    """Starts like an accepted format, but is damaged or cut off."""


class TooManyPixelsError(ImageError):
    """The header promises more pixels than allowed; nothing was decoded."""


@dataclass(frozen=True)
class Limits:
    """What an image may promise before memory is spent on its pixels.

    Attributes:
        max_pixels: width times height above which an image is refused.
        max_side: pixels of the longer side above which an image is refused.
    """

    max_pixels: int = 50_000_000
    max_side: int = 20_000


def read_pixels(data: bytes, preprocessing: Preprocessing, limits: Limits) -> NDArray[np.uint8]:
    """Decode one image, upright (EXIF orientation applied), and prepare it for the model. Of an animation, the first frame.

    Returns:
        uint8 array of shape (crop, crop, 3), RGB.

    Raises:
        UnsupportedFormatError, UndecodableError, TooManyPixelsError
    """
    image = _open(data, limits)
    try:
        upright = ImageOps.exif_transpose(image).convert("RGB")
    except (OSError, SyntaxError, ValueError, IndexError, EOFError) as error:
        raise UndecodableError(f"The image cannot be decoded: {error}.") from None
    return prepare(upright, preprocessing)


def _open(data: bytes, limits: Limits) -> Image.Image:
    try:
        with warnings.catch_warnings():
            # Pillow's own bomb limits are replaced by max_pixels, which the caller states.
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            image = Image.open(io.BytesIO(data), formats=FORMATS)
    except Image.UnidentifiedImageError:
        if data.startswith(_SIGNATURES):
            raise UndecodableError("The image cannot be decoded: its header is damaged or cut off.") from None
        raise UnsupportedFormatError("The file is not a JPEG, PNG or WebP image.") from None
    except Image.DecompressionBombError:
        raise TooManyPixelsError(f"The image has more than {limits.max_pixels:,} pixels.") from None
    except (OSError, SyntaxError, ValueError) as error:
        raise UndecodableError(f"The image cannot be decoded: {error}.") from None
    size = f"{image.width}x{image.height}"
    if image.width * image.height > limits.max_pixels:
        raise TooManyPixelsError(f"The image has {size} pixels; at most {limits.max_pixels:,} are accepted.")
    if max(image.size) > limits.max_side:
        raise TooManyPixelsError(f"The image has {size} pixels; a side may have {limits.max_side:,}.")
    return image
