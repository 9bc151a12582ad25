"""JPEG files that were cut off and closed again: a download that broke, a card that was full.

Decoders make grey of what is missing and only warn, and Pillow passes no warning on. Whether pixels are missing shows when
more compressed data follow: a decoder that has all pixels skips them, and one that has not decodes them. What strict decoders
take for damage as well changes nothing: padding behind the pixels, and a last bit that some scanners leave out.
"""

import io

from PIL import Image

from bundle.image_headers import Header, pixels_end

_CODES = bytes(range(1, 255))  # of all kinds; 0xFF begins a marker
# Zeros first: what a decoder takes for a last bit that is missing. Restart markers for a file that was cut where it wants one.
_MORE = bytes(1) + _CODES + b"".join(b"\xff%c" % marker + _CODES for marker in range(0xD0, 0xD8))
_START_OF_SCAN, _PROGRESSIVE = b"\xff\xda", b"\xff\xc2"
# What is left in every channel where no coefficient was decoded; of CMYK, the inverse.
_GREY = {128, 127}


def is_cut_off(header: Header, decoded: Image.Image) -> bool:
    """Return whether pixels of a JPEG are missing.

    Not found is a hole after which as many data go on as were there, and a progressive file that ends where a scan does: it has
    all of its pixels, but not as sharp as they were.

    Args:
        decoded: the image as its decoder left it, of full size and not turned.
    """
    if header.kind != "JPEG":
        return False
    content = header.essential
    width, height = decoded.size
    corner = decoded.crop((width - 1, height - 1, width, height)).tobytes()
    # One scan ends with the last corner. Of several, each has a bit of all pixels, and any may be the last that there is.
    several = _PROGRESSIVE in content or content.count(_START_OF_SCAN) > 1
    if not several and not _GREY.issuperset(corner):
        return False
    end = pixels_end(content)
    with Image.open(io.BytesIO(content[:end] + _MORE + content[end:]), formats=("JPEG",)) as longer:
        return longer.tobytes() != decoded.tobytes()
