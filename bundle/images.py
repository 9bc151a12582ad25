"""Decoding of the image formats that the service accepts, to RGB."""

import io
import warnings

from PIL import Image, ImageOps

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


def decode(data: bytes, max_pixels: int) -> Image.Image:
    """Decode one image, upright (EXIF orientation applied), in RGB. Of an animation, the first frame.

    Args:
        max_pixels: width times height above which the image is refused before memory is spent on it.

    Raises:
        UnsupportedFormatError, UndecodableError, TooManyPixelsError
    """
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
        raise TooManyPixelsError(f"The image has more than {max_pixels:,} pixels.") from None
    except (OSError, SyntaxError, ValueError) as error:
        raise UndecodableError(f"The image cannot be decoded: {error}.") from None
    if image.width * image.height > max_pixels:
        size = f"{image.width}x{image.height}"
        raise TooManyPixelsError(f"The image has {size} pixels; at most {max_pixels:,} are accepted.")
    try:
        return ImageOps.exif_transpose(image).convert("RGB")
    except (OSError, SyntaxError, ValueError, IndexError, EOFError) as error:
        raise UndecodableError(f"The image cannot be decoded: {error}.") from None
