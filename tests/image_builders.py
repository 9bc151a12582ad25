"""Builders of JPEG, PNG and WebP files, down to the single segment or chunk, for tests."""

import functools
import io
import struct
import zlib
from typing import Any

import numpy as np
from PIL import Image

_PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"


@functools.cache
def picture(width: int = 150, height: int = 100) -> Image.Image:
    """Return smooth colours without any symmetry, so that every wrong turn and swapped channel shows."""
    rows, columns = np.mgrid[0:height, 0:width]
    red, green = columns * 255 // max(1, width - 1), rows * 255 // max(1, height - 1)
    blue = np.where(columns + 2 * rows < width, 220, 40)
    return Image.fromarray(np.stack([red, green, blue], axis=-1).astype(np.uint8))


def encoded(image: Image.Image, kind: str, **options: Any) -> bytes:
    stream = io.BytesIO()
    image.save(stream, kind, **options)
    return stream.getvalue()


def jpeg_segment(marker: int, payload: bytes) -> bytes:
    return struct.pack(">BBH", 0xFF, marker, len(payload) + 2) + payload


def with_segments(jpeg: bytes, *segments: bytes) -> bytes:
    """Return the JPEG with segments put in front of its others."""
    return jpeg[:2] + b"".join(segments) + jpeg[2:]


def with_frame(jpeg: bytes, marker: int | None = None, size: tuple[int, int] | None = None, **fields: int) -> bytes:
    """Return the JPEG with another marker, size, precision or number of components in its frame header."""
    start = next(at for at in (jpeg.find(b"\xff\xc0\x00"), jpeg.find(b"\xff\xc2\x00")) if at > 0)
    frame = bytearray(jpeg[start : start + 10])
    frame[1] = marker or frame[1]
    if size:
        frame[5:9] = struct.pack(">HH", size[1], size[0])
    frame[4] = fields.get("precision", frame[4])
    frame[9] = fields.get("components", frame[9])
    return jpeg[:start] + bytes(frame) + jpeg[start + 10 :]


def exif(orientation: int, order: str = "<", kind: int = 3) -> bytes:
    """Return EXIF data, without "Exif" in front, that hold nothing but an orientation."""
    mark = b"II*\0" if order == "<" else b"MM\0*"
    value = struct.pack(order + ("HH" if kind == 3 else "I"), *((orientation, 0) if kind == 3 else (orientation,)))
    return mark + struct.pack(order + "IHHHI", 8, 1, 0x0112, kind, 1) + value + b"\0\0\0\0"


def exif_bomb() -> bytes:
    """Return 60 KB of EXIF with thousands of entries, each of which refers to nearly all of it."""
    entries = 4000
    directory = b"".join(struct.pack("<HHII", tag, 7, 58_000, 8) for tag in range(0x1000, 0x1000 + entries))
    return (b"II*\0" + struct.pack("<IH", 8, entries) + directory).ljust(60_000, b"\0")


def scan_bomb(size: tuple[int, int], scans: int) -> bytes:
    """Return a progressive JPEG of that size whose last scan is repeated; each makes a decoder walk over the image."""
    jpeg = with_frame(encoded(picture(16, 16), "JPEG", progressive=True), size=size)
    last = jpeg[jpeg.rindex(b"\xff\xda") : -2]
    return jpeg[:-2] + last * scans + jpeg[-2:]


def png_chunk(kind: bytes, payload: bytes = b"", crc: int | None = None) -> bytes:
    checked = zlib.crc32(kind + payload) if crc is None else crc
    return struct.pack(">I", len(payload)) + kind + payload + struct.pack(">I", checked)


def png_header(size: tuple[int, int], depth: int = 8, colour: int = 2, interlaced: int = 0) -> bytes:
    return _PNG_SIGNATURE + png_chunk(b"IHDR", struct.pack(">IIBBBBB", *size, depth, colour, 0, 0, interlaced))


def png(size: tuple[int, int], rows: bytes, *extra: bytes, depth: int = 8, colour: int = 2, interlaced: int = 0) -> bytes:
    """Return a PNG of unfiltered rows (each with its filter byte), with extra chunks before the pixels."""
    header = png_header(size, depth, colour, interlaced)
    return header + b"".join(extra) + png_chunk(b"IDAT", zlib.compress(rows)) + png_chunk(b"IEND")


def rows_of(pixels: np.ndarray[Any, Any]) -> bytes:
    """Return the rows of a PNG, unfiltered; 16 bits become big-endian."""
    return b"".join(b"\0" + row.astype(pixels.dtype.newbyteorder(">")).tobytes() for row in pixels)


def adam7(pixels: np.ndarray[Any, Any]) -> bytes:
    """Return rows in the seven passes of PNG (section 8.2), each pass an image of its own."""
    passes = [(0, 0, 8, 8), (0, 4, 8, 8), (4, 0, 8, 4), (0, 2, 4, 4), (2, 0, 4, 2), (0, 1, 2, 2), (1, 0, 2, 1)]
    return b"".join(rows_of(pixels[row::down, column::across]) for row, column, down, across in passes)


def webp(*chunks: tuple[bytes, bytes], length: int | None = None) -> bytes:
    """Return a WebP of chunks; `length` is what it says of its own size."""
    body = b"WEBP" + b"".join(kind + struct.pack("<I", len(data)) + data + b"\0" * (len(data) % 2) for kind, data in chunks)
    return b"RIFF" + struct.pack("<I", len(body) if length is None else length) + body


def webp_canvas(width: int, height: int) -> tuple[bytes, bytes]:
    return b"VP8X", bytes(4) + (width - 1).to_bytes(3, "little") + (height - 1).to_bytes(3, "little")
