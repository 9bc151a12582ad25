"""Decoding and preprocessing of uploads, in threads: Pillow releases the interpreter while it works."""

import asyncio
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import numpy as np
from numpy.typing import NDArray

from bundle import images
from bundle.image_headers import Header
from bundle.preprocessing import Preprocessing
from inference.cpus import step_back
from inference.errors import TooLargeError, UndecodableImageError, UnsupportedMediaError

# While it is decoded, a WebP takes 16 bytes of memory for each pixel, a progressive JPEG up to 8, a PNG 4 to 8.
LARGE_PIXELS = 16_000_000


class Decoder:
    """Turns the bytes of an image into the model's input.

    Large images are decoded one at a time, in a thread of their own: together they would fill the memory, and they do not
    keep small ones waiting. Work that has not begun is dropped when the task that awaits it is cancelled.

    Args:
        limits: what an image may promise in its header.
        threads: images decoded at once.
    """

    def __init__(self, preprocessing: Preprocessing, limits: images.Limits, threads: int) -> None:
        self._preprocessing = preprocessing
        self._limits = limits
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="decode", initializer=step_back)
        self._large = ThreadPoolExecutor(1, thread_name_prefix="decode-large", initializer=step_back)

    async def decode(self, data: bytes) -> NDArray[np.uint8]:
        """Return an input of shape (crop, crop, 3), RGB.

        Raises:
            UnsupportedMediaError, UndecodableImageError, TooLargeError
        """
        loop = asyncio.get_running_loop()
        with _told_to_clients():
            result = await loop.run_in_executor(self._pool, self._decode_unless_large, data)
            if isinstance(result, Header):
                return await loop.run_in_executor(self._large, images.decode, result, self._preprocessing)
            return result

    def close(self) -> None:
        for pool in (self._pool, self._large):
            pool.shutdown(wait=False, cancel_futures=True)

    def _decode_unless_large(self, data: bytes) -> NDArray[np.uint8] | Header:
        header = images.inspect(data, self._limits)
        return header if header.pixels > LARGE_PIXELS else images.decode(header, self._preprocessing)


@contextmanager
def _told_to_clients() -> Iterator[None]:
    """Turn errors of images into the service's own."""
    try:
        yield
    except images.UnsupportedFormatError as error:
        raise UnsupportedMediaError(str(error)) from None
    except images.UndecodableError as error:
        raise UndecodableImageError(str(error)) from None
    except images.TooManyPixelsError as error:
        raise TooLargeError(str(error)) from None
