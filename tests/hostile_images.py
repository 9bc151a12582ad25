"""A corpus of odd and hostile images, built in code, for every test that feeds images to something.

`odd_images()` and `hostile_images()` return `{name: Sample}`; `everything()` both. A sample holds

- `data`: the bytes of the file;
- `error`: None if these have to give pixels, else the class of `bundle.images.ImageError` that has to be raised; this
  holds for the default `Limits()` and for any preprocessing;
- `status`: the same as an HTTP status of POST /predict (200, 400, 413 or 415). Only for `nothing`, no bytes at all, HTTP
  answers 400, since there is no image to have a type;
- `picture`: for odd images, what they show: upright, RGB. `tolerance` is the mean difference, in steps of 255, by which the
  decoded pixels may differ from it.

Nothing here is large: bombs are small until somebody lights them.
"""

import functools
import zlib

import numpy as np
from PIL import Image

from bundle.image_headers import MAX_SEGMENTS
from bundle.images import TooManyPixelsError, UndecodableError, UnsupportedFormatError
from tests.image_builders import (
    encoded,
    jpeg_segment,
    picture,
    png,
    png_chunk,
    png_header,
    rows_of,
    scan_bomb,
    webp,
    webp_canvas,
    with_frame,
    with_segments,
)
from tests.odd_images import Sample, odd_images

__all__ = ["Sample", "everything", "hostile_images", "odd_images"]


def everything() -> dict[str, Sample]:
    return {**odd_images(), **hostile_images()}


@functools.cache
def hostile_images() -> dict[str, Sample]:
    """Return what has to be refused."""
    return {**_not_images(), **_truncated(), **_damaged(), **_too_large()}


def _not_images() -> dict[str, Sample]:
    jpeg = encoded(picture(), "JPEG")
    brand = b"\0\0\0\x18ftyp%s\0\0\0\0mif1%s\0\0\0\0"
    files = {
        "nothing": b"",
        "one-byte": b"\xff",
        "zeros": bytes(1000),
        "text": b"Is this a cat?",
        "json": b'{"file": "cat.jpg"}',
        "html": b"<!doctype html><title>cat</title>",
        "html-with-a-jpeg-behind": b"<!doctype html>" + jpeg,
        "newline-before-a-jpeg": b"\n" + jpeg,
        "svg": b"<svg xmlns='http://www.w3.org/2000/svg' width='1' height='1'/>",
        "pdf": b"%PDF-1.7\n%%EOF\n",
        "pdf-with-a-jpeg-inside": b"%PDF-1.7\nstream\n" + jpeg + b"endstream\n%%EOF\n",
        "elf": b"\x7fELF\x02\x01\x01" + bytes(57),
        "zip": b"PK\x03\x04" + bytes(26),
        "wave-sound": b"RIFF\x24\0\0\0WAVEfmt ",
        "postscript": b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\nshowpage\n",
        "heic": brand % (b"heic", b"heic"),
        "mp4": brand % (b"isom", b"isom"),
        "jpeg-xl": b"\xff\x0a\xfa\x1f\x01\x90\x08\x06\x01\0",
    }
    for kind in ("GIF", "TIFF", "BMP", "PPM", "ICO", "TGA", "JPEG2000", "AVIF", "PDF", "DDS", "ICNS"):
        files[f"pillow-{kind.lower()}"] = encoded(picture(32, 32), kind)
    return {name: Sample(data, UnsupportedFormatError) for name, data in files.items()}


def _truncated() -> dict[str, Sample]:
    files = {
        "jpeg": encoded(picture(), "JPEG"),
        "jpeg-progressive": encoded(picture(), "JPEG", progressive=True),
        "png": encoded(picture(), "PNG"),
        "webp": encoded(picture(), "WEBP"),
        "webp-lossless": encoded(picture(), "WEBP", lossless=True),
    }
    samples = {}
    for name, data in files.items():
        # From 12 bytes on, each of the formats is recognised.
        for kept in (12, 20, 30, 60, *(len(data) * tenths // 10 for tenths in range(1, 10))):
            samples[f"{name}-cut-after-{kept}"] = Sample(data[:kept], UndecodableError)
    return samples


def _damaged() -> dict[str, Sample]:
    shown, size = picture(), picture().size
    jpeg, plain, lossless = (encoded(shown, kind, lossless=True) for kind in ("JPEG", "PNG", "WEBP"))
    rows = rows_of(np.asarray(shown))
    head, tail = plain[:33], plain[33:]
    bitstream = lossless[20:]
    sos, dht = jpeg.index(b"\xff\xda"), jpeg.index(b"\xff\xc4")
    dqt, sof = jpeg.index(b"\xff\xdb"), jpeg.index(b"\xff\xc0\x00")
    files = {
        "jpeg-signature-alone": b"\xff\xd8\xff",
        "jpeg-without-pixels": jpeg[:sos] + b"\xff\xd9",
        "jpeg-without-frame": jpeg[:sof] + jpeg[sof + 19 :],
        "jpeg-without-quantisation": jpeg[:dqt] + jpeg[sof:],
        "jpeg-of-no-height": with_frame(jpeg, size=(size[0], 0)),
        "jpeg-of-no-width": with_frame(jpeg, size=(0, size[1])),
        "jpeg-lossless": with_frame(jpeg, marker=0xC3),
        "jpeg-arithmetic": with_frame(jpeg, marker=0xC9),
        "jpeg-hierarchical": with_frame(jpeg, marker=0xC5),
        "jpeg-12-bits": with_frame(jpeg, precision=12),
        "jpeg-two-components": with_frame(jpeg, components=2),
        "jpeg-255-components": with_frame(jpeg, components=255),
        "jpeg-two-frames": jpeg[:dht] + jpeg[sof:dht] + jpeg[dht:],
        "jpeg-without-end": jpeg[:-2],
        "jpeg-wrong-length": jpeg[: sof + 2] + b"\xff\xff" + jpeg[sof + 4 :],
        "jpeg-segments-overlap": jpeg[: dht + 2] + b"\x00\x03" + jpeg[dht + 4 :],
        "jpeg-scan-bomb": scan_bomb((6000, 6000), 1000),
        "jpeg-scan-bomb-behind-a-false-end": _hidden_scan_bomb(),
        "jpeg-segment-bomb": with_segments(jpeg, jpeg_segment(0xFE, b"") * MAX_SEGMENTS),
        "png-signature-alone": plain[:8],
        "png-signature-changed-by-ftp": plain.replace(b"\r\n", b"\n", 1),
        "png-crc-error-in-header": plain[:29] + b"\0\0\0\0" + tail,
        "png-crc-error-in-palette": png(size, b"\0", png_chunk(b"PLTE", bytes(3), crc=0), colour=3),
        "png-header-second": plain[:8] + png_chunk(b"tEXt", b"a\0b") + plain[8:],
        "png-of-no-width": png((0, 5), rows),
        "png-without-pixels": head + png_chunk(b"IEND"),
        "png-empty-pixels": head + png_chunk(b"IDAT") + png_chunk(b"IEND"),
        "png-rows-too-few": png(size, rows[:1000]),
        "png-7-bits": png(size, rows, depth=7),
        "png-unknown-colour-type": png(size, rows, colour=5),
        "png-unknown-compression": head + png_chunk(b"IDAT", b"not zlib") + png_chunk(b"IEND"),
        "png-flipped-bit": plain[:300] + bytes([plain[300] ^ 1]) + plain[301:],
        "png-wrong-adler": head + png_chunk(b"IDAT", zlib.compress(rows)[:-4] + bytes(4)) + png_chunk(b"IEND"),
        "png-unknown-filter": png(size, b"\x09" + rows[1:]),
        "png-chunk-of-4-gigabytes": head + b"\xff\xff\xff\xffIDAT" + tail[8:],
        "png-chunk-bomb": head + png_chunk(b"IDAT") * MAX_SEGMENTS + tail,
        "webp-signature-alone": lossless[:12],
        "webp-canvas-larger-than-image": webp(webp_canvas(5000, 5000), (b"VP8L", bitstream)),
        "webp-canvas-smaller-than-image": webp(webp_canvas(10, 10), (b"VP8L", bitstream)),
        "webp-canvas-alone": webp(webp_canvas(100, 100)),
        "webp-says-it-is-longer": webp((b"VP8L", bitstream), length=1_000_000),
        "webp-says-it-is-empty": webp((b"VP8L", bitstream), length=0),
        "webp-unknown-first-chunk": webp((b"VP9 ", bitstream)),
        "webp-inside-webp": webp((b"VP8L", lossless)),
        "jpeg-called-webp": webp((b"VP8 ", jpeg)),
    }
    return {name: Sample(data, UndecodableError) for name, data in files.items()}


def _hidden_scan_bomb() -> bytes:
    """Return a scan bomb in which the marker of the image's end occurs early, inside a segment that decoders skip."""
    bomb = scan_bomb((6000, 6000), 1000)
    second = bomb.index(b"\xff\xda", bomb.index(b"\xff\xda") + 2)
    return bomb[:second] + jpeg_segment(0xFE, b"\xff\xd9") + bomb[second:]


def _too_large() -> dict[str, Sample]:
    jpeg = encoded(picture(), "JPEG")
    sparse = encoded(Image.new("1", (9000, 9000)), "PNG")
    files = {
        "jpeg-65535-a-side": with_frame(jpeg, size=(65535, 65535)),
        "jpeg-progressive-65535-a-side": scan_bomb((65535, 65535), 0),
        "jpeg-too-long-a-side": with_frame(jpeg, size=(20_001, 8)),
        "png-2-gigapixels-a-side": png((2**31 - 1, 2**31 - 1), b""),
        "png-beyond-32-bits": png((2**32 - 1, 2**32 - 1), b""),
        "png-too-long-a-side": encoded(Image.new("1", (1, 20_001)), "PNG"),
        "png-81-megapixels": sparse,
        "png-header-alone": png_header((60_000, 60_000)),
        "webp-canvas-of-16-megapixels-a-side": webp(webp_canvas(2**24, 2**24), (b"VP8L", b"")),
        "webp-16383-a-side": encoded(Image.new("RGB", (16, 16)), "WEBP", lossless=True)[:21]
        + (16382 | 16382 << 14).to_bytes(4, "little")
        + bytes(9),
    }
    return {name: Sample(data, TooManyPixelsError) for name, data in files.items()}
