"""Decoding of the image formats that the service accepts, to the pixels that the model sees.

Colours are what Pillow's `convert("RGB")` gives, which is what torchvision's datasets train with: transparency is dropped,
not laid over a background. Only grey of 16 bits differs: it is scaled to 8 bits, as its coloured kin is, where Pillow
clips it to white.
"""

import io
import math
import warnings
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from bundle.image_headers import Header, HeaderError, kind_of, read_header
from bundle.preprocessing import FILTERS, Preprocessing, crop_box

# Pillow warns of what is damaged but legible, on the standard error. Who sends images must not be able to fill the log.
warnings.filterwarnings("ignore", module=r"PIL\.")

# A decoder that scales leaves a JPEG at least this much larger than the resized image: then the filter of the resizing,
# with which the model was trained, decides over the pixels, and not the decoder's.
SCALING_MARGIN = 1.15
# How EXIF's orientations are undone.
_UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


class ImageError(Exception):
    """The bytes cannot be used as an image; the message is fit for the person who sent them."""


class UnsupportedFormatError(ImageError):
    """Not a JPEG, PNG or WebP file."""


class UndecodableError(ImageError):
    """Starts like an accepted format, but is damaged, cut off or of a kind that is not accepted."""


class TooManyPixelsError(ImageError):
    """The header promises more pixels than allowed; nothing was decoded."""


@dataclass(frozen=True)
class Limits:
    """What an image may promise before memory is spent on its pixels.

    Attributes:
        max_pixels: width times height above which an image is refused. Cameras "of 50 megapixels" have up to 51.3 of them
            (8160x6144 and 8192x6144 in phones, 8272x6200 in medium format).
        max_side: pixels of the longer side above which an image is refused.
    """

    max_pixels: int = 52_000_000
    max_side: int = 20_000


def read_pixels(data: bytes, preprocessing: Preprocessing, limits: Limits) -> NDArray[np.uint8]:
    """Decode one image, upright (EXIF orientation applied), and prepare it for the model. Of an animation, the first frame.

    Returns:
        uint8 array of shape (crop, crop, 3), RGB.

    Raises:
        UnsupportedFormatError, UndecodableError, TooManyPixelsError
    """
    return decode(inspect(data, limits), preprocessing)


def inspect(data: bytes, limits: Limits) -> Header:
    """Read an image's header and check it; the first half of `read_pixels`, which costs next to nothing.

    Raises:
        UnsupportedFormatError, UndecodableError, TooManyPixelsError
    """
    kind = kind_of(data)
    if kind is None:
        raise UnsupportedFormatError("The file is not a JPEG, PNG or WebP image.")
    try:
        header = read_header(data, kind)
    except HeaderError as error:
        raise UndecodableError(f"The image cannot be decoded: {error}.") from None
    _check_size(header, limits)
    return header


def decode(header: Header, preprocessing: Preprocessing) -> NDArray[np.uint8]:
    """Decode an image whose header has been checked; the second half of `read_pixels`.

    A JPEG is decoded at a half, a quarter or an eighth of its size where the model needs no more. On photos, that changes
    values by 1 to 2.5 steps of 255 on average, and 99 of 100 by less than 15.

    Raises:
        UndecodableError
        TooManyPixelsError: limits above Pillow's own (178 million pixels) have let it through.
    """
    try:
        with Image.open(io.BytesIO(header.essential), formats=(header.kind,)) as image:
            return np.asarray(_crop(image, header, preprocessing))
    except Image.DecompressionBombError:
        raise TooManyPixelsError("The image has more pixels than its decoder accepts.") from None
    except Exception as error:  # whatever Pillow's parsers stumble on, MemoryError included
        raise UndecodableError("The image cannot be decoded: it is damaged or cut off.") from error


def _check_size(header: Header, limits: Limits) -> None:
    size = f"{header.width}x{header.height}"
    if header.pixels > limits.max_pixels:
        raise TooManyPixelsError(f"The image has {size} pixels; at most {limits.max_pixels:,} are accepted.")
    if max(header.width, header.height) > limits.max_side:
        raise TooManyPixelsError(f"The image has {size} pixels; a side may have at most {limits.max_side:,}.")


def _crop(image: Image.Image, header: Header, preprocessing: Preprocessing) -> Image.Image:
    """Return what `prepare` makes of the upright image, having turned no more than the crop."""
    stored = (header.width, header.height)
    if image.size != stored:
        raise ValueError("the decoder finds another size than the header states")
    needed = math.ceil(preprocessing.resize_shorter_side * SCALING_MARGIN)
    _, (_, _, right, bottom) = image.draft(None, (needed, needed)) or (None, (0, 0, *stored))
    x_scale, y_scale = right / header.width, bottom / header.height
    left, top, right, bottom = _stored_box(header, preprocessing)
    box = (left * x_scale, top * y_scale, right * x_scale, bottom * y_scale)
    side = preprocessing.crop
    crop = _resizable(image).resize((side, side), FILTERS[preprocessing.interpolation], box=box).convert("RGB")
    return crop.transpose(_UPRIGHT[header.orientation]) if header.orientation in _UPRIGHT else crop


def _stored_box(header: Header, preprocessing: Preprocessing) -> tuple[float, float, float, float]:
    """Return where in the image as stored the crop of the upright image lies: left, top, right, bottom in pixels."""
    turned, orientation = header.orientation >= 5, header.orientation
    width, height = (header.height, header.width) if turned else (header.width, header.height)
    left, top, right, bottom = crop_box((width, height), preprocessing)
    if orientation in (2, 3, 6, 7):
        left, right = width - right, width - left
    if orientation in (3, 4, 7, 8):
        top, bottom = height - bottom, height - top
    return (top, left, bottom, right) if turned else (left, top, right, bottom)


def _resizable(image: Image.Image) -> Image.Image:
    """Return the image in a mode in which resizing and then converting to RGB is the same as the reverse."""
    image.load()
    if image.mode in ("L", "RGB"):
        return image
    if image.mode in ("1", "LA"):
        return image.convert("L")
    if image.mode == "I;16":
        return Image.fromarray((np.asarray(image) >> 8).astype(np.uint8))
    return image.convert("RGB")
