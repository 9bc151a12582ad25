"""What the headers of JPEG, PNG and WebP files say, and the part of such a file that its decoder needs.

Whatever else a file carries (EXIF, colour profiles, text, thumbnails, animation) never reaches the decoder. It has no use
here, and Pillow parses it: thousands of faulty EXIF entries would each make a line of log, and a good photo with too much
text would be refused.
"""

import re
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

Kind = Literal["JPEG", "PNG", "WEBP"]

# Photographs have 1 (baseline), or about 10 (progressive). For a few bytes, each scan walks over all of the image.
MAX_SCANS = 50
# Writers make dozens, or one per some KiB of compressed pixels.
MAX_SEGMENTS = 50_000

# Names of markers as in ITU-T T.81, table B.1.
_SOF = (*range(0xC0, 0xC4), *range(0xC5, 0xC8), *range(0xC9, 0xCC), *range(0xCD, 0xD0))
_DHT, _EOI, _SOS, _DQT, _DRI, _APP0, _APP1, _APP14 = 0xC4, 0xD9, 0xDA, 0xDB, 0xDD, 0xE0, 0xE1, 0xEE
# Baseline, extended and progressive, with Huffman coding: what browsers accept.
_ACCEPTED_SOF = (0xC0, 0xC1, 0xC2)
# APP0 (JFIF) and APP14 (Adobe) say how colours are stored.
_JPEG_NEEDED = (*_ACCEPTED_SOF, _DHT, _DQT, _DRI, _APP0, _APP14)
# The markers that begin a segment, and EOI. Among entropy-coded bytes, 0xFF precedes nothing but 0 and restart markers.
_MARKER = re.compile(rb"\xff([\xc0-\xcf\xd9-\xfe])")

_PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
# Not tRNS: the model sees colours without transparency.
_PNG_NEEDED = (b"PLTE", b"IDAT", b"IEND")

_ORIENTATION, _SHORT = 0x0112, 3


class HeaderError(ValueError):
    """A header is damaged, cut off or beyond what is accepted; the message completes "cannot be decoded: …"."""


@dataclass(frozen=True)
class Header:
    """Of one image.

    Attributes:
        kind: the format, by Pillow's name for it.
        width, height: pixels, as stored: before the orientation is applied.
        orientation: EXIF's 1 to 8; 1 is upright.
        essential: the file without what the decoder does not need.
    """

    kind: Kind
    width: int
    height: int
    orientation: int
    essential: bytes

    @property
    def pixels(self) -> int:
        return self.width * self.height


def kind_of(data: bytes) -> Kind | None:
    """Return the format that the first bytes name, if it is an accepted one."""
    if data.startswith(b"\xff\xd8\xff"):
        return "JPEG"
    if data.startswith(_PNG_SIGNATURE[:4]):
        return "PNG"
    if data.startswith(b"RIFF") and data[8:12] in (b"WEBP", b""):
        return "WEBP"
    return None


def read_header(data: bytes, kind: Kind) -> Header:
    """Read the header of a file of that kind; nothing is decoded.

    Raises:
        HeaderError
    """
    reader = {"JPEG": _read_jpeg, "PNG": _read_png, "WEBP": _read_webp}[kind]
    try:
        return reader(data)
    except (struct.error, IndexError):
        raise HeaderError("it is damaged or cut off") from None


def orientation_of(exif: bytes) -> int:
    """Return the orientation that EXIF data (TIFF's form, with or without "Exif" before it) state; 1 if none or invalid.

    Of XMP and other places, nothing is read, as in browsers.
    """
    tiff = exif.removeprefix(b"Exif\0\0")
    order = {b"II*\0": "<", b"MM\0*": ">"}.get(tiff[:4])
    if order is None:
        return 1
    try:
        (directory,) = struct.unpack_from(order + "I", tiff, 4)
        (entries,) = struct.unpack_from(order + "H", tiff, directory)
        for entry in range(entries):
            tag, kind, count, value = struct.unpack_from(order + "HHIH", tiff, directory + 2 + 12 * entry)
            if tag == _ORIENTATION:
                return value if kind == _SHORT and count == 1 and 1 <= value <= 8 else 1
    except struct.error:
        pass  # cut off: it says nothing
    return 1


def _read_jpeg(data: bytes) -> Header:
    view = memoryview(data)
    kept, orientation, size = [view[:2]], None, None
    for marker, start, end in _segments(data):
        if marker == _SOS:
            break
        if marker in _SOF and (size or marker not in _ACCEPTED_SOF):
            raise HeaderError("it is a kind of JPEG that is not accepted")
        if marker in _ACCEPTED_SOF:
            height, width = struct.unpack_from(">HH", data, start + 5)
            size = (width, height)
        if marker == _APP1 and orientation is None and data.startswith(b"Exif\0\0", start + 4):
            orientation = orientation_of(data[start + 4 : end])
        if marker in _JPEG_NEEDED:
            kept.append(view[start:end])
    else:
        raise HeaderError("it holds no pixels")
    if size is None:
        raise HeaderError("its header states no size")
    # The first count is quick, and takes for scans also what follows the image, such as a film.
    if data.count(b"\xff\xda", start) > MAX_SCANS and _scans(data) > MAX_SCANS:
        raise HeaderError(f"it has more than {MAX_SCANS} scans")
    kept.append(view[start:])
    return Header("JPEG", *size, orientation or 1, b"".join(kept))


def _segments(data: bytes) -> Iterator[tuple[int, int, int]]:
    """Yield each segment's marker, start and end, up to the end of the image, as libjpeg finds them: junk is skipped."""
    position = 2
    for _ in range(MAX_SEGMENTS):
        found = _MARKER.search(data, position)
        if not found or found[1][0] == _EOI:
            return
        (length,) = struct.unpack_from(">H", data, found.end())
        position = found.end() + max(2, length)
        yield found[1][0], found.start(), position
    raise HeaderError("it has too many segments")


def pixels_end(data: bytes) -> int:
    """Return where the compressed pixels of a JPEG whose header was read end: at its end marker, or with the file."""
    position = 2
    while (found := _MARKER.search(data, position)) and found[1][0] != _EOI:
        (length,) = struct.unpack_from(">H", data, found.end())
        position = found.end() + max(2, length)
    return found.start() if found else len(data)


def _scans(data: bytes) -> int:
    """Count the scans, up to one more than the limit."""
    count = 0
    for marker, _, _ in _segments(data):
        count += marker == _SOS
        if count > MAX_SCANS:
            break
    return count


def _read_png(data: bytes) -> Header:
    if not data.startswith(_PNG_SIGNATURE) or data[12:16] != b"IHDR":
        raise HeaderError("its header is damaged or cut off")
    width, height = struct.unpack_from(">II", data, 16)
    view = memoryview(data)
    kept, orientation = [view[:8]], None
    position, kind = 8, b""
    for _ in range(MAX_SEGMENTS):
        if position + 8 > len(data) or kind == b"IEND":
            break
        length, kind = struct.unpack_from(">I4s", data, position)
        end = position + 12 + length
        if kind in _PNG_NEEDED or position == 8:
            # Pillow does not check the pixels' checksums; a photo with a flipped bit would become another one.
            if struct.unpack_from(">I", data, end - 4) != (zlib.crc32(view[position + 4 : end - 4]),):
                raise HeaderError("it is damaged")
            kept.append(view[position:end])
        elif kind == b"eXIf" and orientation is None:
            orientation = orientation_of(data[position + 8 : end])
        position = end
    else:
        raise HeaderError("it has too many chunks")
    return Header("PNG", width, height, orientation or 1, b"".join(kept))


def _read_webp(data: bytes) -> Header:
    kind = data[12:16]
    if len(data) < 30:
        raise HeaderError("its header is damaged or cut off")
    if kind == b"VP8X":
        width, height = (1 + int.from_bytes(data[at : at + 3], "little") for at in (24, 27))
        return Header("WEBP", width, height, _webp_orientation(data), data)
    if kind == b"VP8 " and data[23:26] == b"\x9d\x01\x2a":
        width, height = (side & 0x3FFF for side in struct.unpack_from("<HH", data, 26))
        return Header("WEBP", width, height, 1, data)
    if kind == b"VP8L" and data[20] == 0x2F:
        (bits,) = struct.unpack_from("<I", data, 21)
        return Header("WEBP", 1 + (bits & 0x3FFF), 1 + (bits >> 14 & 0x3FFF), 1, data)
    raise HeaderError("its header is damaged")


def _webp_orientation(data: bytes) -> int:
    position = 12
    for _ in range(MAX_SEGMENTS):
        if position + 8 > len(data):
            break
        kind, length = struct.unpack_from("<4sI", data, position)
        if kind == b"EXIF":
            return orientation_of(data[position + 8 : position + 8 + length])
        position += 8 + length + length % 2
    return 1
