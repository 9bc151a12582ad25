"""Images that are valid, however unusual; the part of tests/hostile_images.py that has to give pixels."""

import functools
import zlib
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageChops, ImageCms

from bundle.images import ImageError, TooManyPixelsError, UndecodableError, UnsupportedFormatError
from tests.image_builders import (
    adam7,
    encoded,
    exif,
    exif_bomb,
    jpeg_segment,
    picture,
    png,
    png_chunk,
    rows_of,
    webp,
    with_segments,
)

_STATUS = {None: 200, UndecodableError: 400, TooManyPixelsError: 413, UnsupportedFormatError: 415}
_ZIP = b"PK\x03\x04" + b"\0" * 26 + b"PK\x05\x06" + b"\0" * 18
# How an upright picture is stored under each EXIF orientation.
_STORED = {
    1: None,
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_90,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_270,
}


@dataclass(frozen=True)
class Sample:
    """See tests/hostile_images.py."""

    data: bytes
    error: type[ImageError] | None = None
    picture: Image.Image | None = None
    tolerance: float = 0.0

    @property
    def status(self) -> int:
        return _STATUS[self.error]


@functools.cache
def odd_images() -> dict[str, Sample]:
    """Return images that are valid, however unusual."""
    return {**_jpegs(), **_pngs(), **_webps(), **_oriented(), **_shapes()}


def _jpegs() -> dict[str, Sample]:
    shown = picture()
    plain = encoded(shown, "JPEG", quality=95)
    grey, cmyk = shown.convert("L"), shown.convert("CMYK")
    # The same bytes, read as brightness and colour differences.
    adobe = encoded(cmyk, "JPEG", quality=95, subsampling=0)
    ycck = encoded(_as_ycck(shown), "JPEG", quality=95, subsampling=0).replace(b"Adobe\0d\0\0\0\0\0", b"Adobe\0d\0\0\0\0\2")
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    comment = jpeg_segment(0xFE, b"<html><script>alert(1)</script>")
    second = encoded(Image.new("RGB", shown.size), "JPEG")
    film = second + b"\xff\xda\x00\x04" * 100
    variants = {
        "baseline": plain,
        "progressive": encoded(shown, "JPEG", quality=95, progressive=True),
        "4:4:4": encoded(shown, "JPEG", quality=95, subsampling=0),
        "rgb": encoded(shown, "JPEG", quality=95, keep_rgb=True),
        "without-jfif": plain.replace(plain[2:20], b""),
        "restart-markers": encoded(shown, "JPEG", quality=95, restart_marker_blocks=3),
        "icc-profile": encoded(shown, "JPEG", quality=95, icc_profile=profile),
        "xmp": encoded(shown, "JPEG", quality=95, xmp=b"<x:xmpmeta/>"),
        "two-pictures": encoded(shown, "MPO", save_all=True, append_images=[Image.new("RGB", shown.size)], quality=95),
        "film-behind": plain + film,
        "zip-behind": plain + _ZIP,
        "html-inside": with_segments(plain, comment),
        "jpeg-inside": with_segments(plain, jpeg_segment(0xE1, second), jpeg_segment(0xFE, second)),
        "fill-bytes": with_segments(plain, b"\xff\xff\xff"),
        "junk-between-segments": with_segments(plain, jpeg_segment(0xFE, b"x") + b"junk\xff\x00junk"),
        "exif-bomb": with_segments(plain, jpeg_segment(0xE1, b"Exif\0\0" + exif_bomb())),
        "exif-cut-off": with_segments(plain, jpeg_segment(0xE1, b"Exif\0\0" + exif(6)[:15])),
        "exif-nonsense": with_segments(plain, jpeg_segment(0xE1, b"Exif\0\0nonsense")),
        "orientation-0": with_segments(plain, jpeg_segment(0xE1, b"Exif\0\0" + exif(0))),
        "orientation-9": with_segments(plain, jpeg_segment(0xE1, b"Exif\0\0" + exif(9))),
        "orientation-is-no-short": with_segments(plain, jpeg_segment(0xE1, b"Exif\0\0" + exif(6, kind=4))),
    }
    return {
        **{f"jpeg-{name}": Sample(data, picture=shown, tolerance=2.5) for name, data in variants.items()},
        "jpeg-grey": Sample(encoded(grey, "JPEG", quality=95), picture=grey.convert("RGB"), tolerance=1.0),
        "jpeg-cmyk": Sample(adobe, picture=cmyk.convert("RGB"), tolerance=2.5),
        "jpeg-ycck": Sample(ycck, picture=shown, tolerance=2.5),
    }


def _as_ycck(image: Image.Image) -> Image.Image:
    """Return what a writer of YCCK stores as four components: brightness, two colour differences, and no black."""
    # Adobe stores ink as 255 - ink, hence the negative; Pillow would invert CMYK once more as it writes it.
    negative = np.asarray(ImageChops.invert(image).convert("YCbCr"))
    no_black = np.full((*negative.shape[:2], 1), 255, np.uint8)
    return Image.frombytes("CMYK", image.size, (255 - np.concatenate([negative, no_black], axis=-1)).tobytes())


def _pngs() -> dict[str, Sample]:
    shown = picture()
    grey = shown.convert("L")
    samples = {}
    for name, image, options in (
        ("rgb", shown, {}),
        ("grey", grey, {}),
        ("1-bit", shown.convert("1"), {}),
        ("grey-alpha", _faded(shown).convert("LA"), {}),
        ("rgb-alpha", _faded(shown), {}),
        ("palette", shown.quantize(200), {}),
        ("palette-4-bits", shown.quantize(16), {"bits": 4}),
        ("palette-2-bits", shown.quantize(4), {"bits": 2}),
        ("palette-1-bit", shown.quantize(2), {"bits": 1}),
        ("palette-with-a-clear-colour", shown.quantize(200), {"transparency": 3}),
        ("palette-with-alpha", shown.quantize(200), {"transparency": bytes(range(200))}),
        ("rgb-with-a-clear-colour", shown, {"transparency": (0, 0, 220)}),
        ("grey-with-a-clear-colour", grey, {"transparency": 7}),
        ("animated", shown, {"save_all": True, "append_images": [Image.new("RGB", shown.size)]}),
        ("animated-after-a-still", shown, {"save_all": True, "default_image": True, "append_images": [grey, grey]}),
    ):
        samples[f"png-{name}"] = Sample(encoded(image, "PNG", **options), picture=image.convert("RGB"), tolerance=0.0)
    return {**samples, **_handmade_pngs()}


def _faded(image: Image.Image) -> Image.Image:
    """Return the picture, with all degrees of transparency."""
    faded = image.copy()
    faded.putalpha(Image.linear_gradient("L").resize(image.size))
    return faded


def _handmade_pngs() -> dict[str, Sample]:
    shown = picture()
    pixels = np.asarray(shown)
    size, plain = shown.size, encoded(shown, "PNG")
    head, tail = plain[:33], plain[33:]
    # 16 bits: the lower byte differs from the upper one, and does not matter.
    wide = np.stack([pixels, 255 - pixels], axis=-1).view(">u2")[..., 0]
    alpha = np.full((*pixels.shape[:2], 1), 0x8001, ">u2")
    compressed = zlib.compress(rows_of(pixels))
    scattered = b"".join(
        png_chunk(b"IDAT", compressed[at : at + 9]) + png_chunk(b"IDAT") for at in range(0, len(compressed), 9)
    )
    zlib_bomb = zlib.compress(bytes(20_000_000), 9)
    bombs = b"".join(png_chunk(b"zTXt", b"key%d\0\0" % number + zlib_bomb) for number in range(20))
    variants = {
        "rgb-16-bits": png(size, rows_of(wide), depth=16),
        "rgb-alpha-16-bits": png(size, rows_of(np.concatenate([wide, alpha], axis=-1)), depth=16, colour=6),
        "interlaced": png(size, adam7(pixels), interlaced=1),
        "scattered": head + scattered + png_chunk(b"IEND"),
        "profile-bomb": head + png_chunk(b"iCCP", b"icc\0\0" + zlib_bomb) + tail,
        "text-bomb": head + bombs + tail,
        "international-text-bomb": head + png_chunk(b"iTXt", b"key\0\1\0\0\0" + zlib_bomb) + tail,
        "text-bomb-behind-the-pixels": plain[:-12] + bombs + plain[-12:],
        "exif-bomb": head + png_chunk(b"eXIf", exif_bomb()) + tail,
        "rows-too-many": png(size, rows_of(pixels) + bytes(20_000_000)),
        "crc-error-in-text": head + png_chunk(b"tEXt", b"key\0text", crc=1) + tail,
        "zip-behind": plain + _ZIP,
        "without-end": plain[:-12],
    }
    grey = {"grey-16-bits": (wide[..., :1], 0), "grey-alpha-16-bits": (np.concatenate([wide[..., :1], alpha], axis=-1), 4)}
    red = Image.fromarray(pixels[..., 0]).convert("RGB")
    return {
        **{f"png-{name}": Sample(data, picture=shown) for name, data in variants.items()},
        **{
            f"png-{name}": Sample(png(size, rows_of(values), depth=16, colour=colour), picture=red)
            for name, (values, colour) in grey.items()
        },
    }


def _webps() -> dict[str, Sample]:
    shown = picture()
    black = Image.new("RGB", shown.size)
    lossless = encoded(shown, "WEBP", lossless=True)
    faded = encoded(_faded(shown), "WEBP", lossless=True, exact=True)
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    variants = {
        "lossless": lossless,
        "alpha": faded,
        "profile": encoded(shown, "WEBP", lossless=True, icc_profile=profile, xmp=b"<x:xmpmeta/>"),
        "animated": encoded(shown, "WEBP", lossless=True, save_all=True, append_images=[black]),
        "zip-behind": lossless + _ZIP,
        "unknown-chunk": webp((b"VP8L", lossless[20:]), (b"ZZZZ", b"?")),
    }
    return {
        **{f"webp-{name}": Sample(data, picture=shown) for name, data in variants.items()},
        "webp-lossy": Sample(encoded(shown, "WEBP", quality=95), picture=shown, tolerance=3.0),
    }


def _oriented() -> dict[str, Sample]:
    """Return the picture as cameras store it that were held in each of the eight ways."""
    samples = {}
    for orientation, method in _STORED.items():
        stored = picture() if method is None else picture().transpose(method)
        for order in "<>":
            data = with_segments(
                encoded(stored, "JPEG", quality=95, subsampling=0), jpeg_segment(0xE1, b"Exif\0\0" + exif(orientation, order))
            )
            name = f"jpeg-orientation-{orientation}-{'little' if order == '<' else 'big'}-endian"
            samples[name] = Sample(data, picture=picture(), tolerance=1.5)
        for kind in ("PNG", "WEBP"):
            data = encoded(stored, kind, exif=b"Exif\0\0" + exif(orientation), lossless=True)
            samples[f"{kind.lower()}-orientation-{orientation}"] = Sample(data, picture=picture(), tolerance=0.5)
    return samples


def _shapes() -> dict[str, Sample]:
    samples = {}
    for width, height in ((1, 1), (1, 700), (700, 1), (3, 2), (2000, 9)):
        for kind, tolerance in (("JPEG", 2.0), ("PNG", 0.0), ("WEBP", 0.0)):
            shown = picture(width, height)
            data = encoded(shown, kind, quality=95, subsampling=0, lossless=True)
            samples[f"{kind.lower()}-{width}x{height}"] = Sample(data, picture=shown, tolerance=tolerance)
    return samples
