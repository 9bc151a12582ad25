"""Decoding of uploads for the service: errors become HTTP's, and large images get a lane of their own."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
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


class Later(Exception):
    """The input takes long to make.

    Attributes:
        item: to be awaited for it.
    """

    def __init__(self, item: Callable[[], Awaitable[NDArray[np.uint8]]]) -> None:
        super().__init__()
        self.item = item


class Decoder:
    """Turns the bytes of an image into the model's input.

    Large images are decoded one at a time, in a thread of their own: together they would fill the memory, and they do not
    keep small ones waiting. Work that has not begun is dropped when the task that awaits it is cancelled.

    Args:
        limits: what an image may promise in its header.
    """

    def __init__(self, preprocessing: Preprocessing, limits: images.Limits) -> None:
        self._preprocessing = preprocessing
        self._limits = limits
        self._large = ThreadPoolExecutor(1, thread_name_prefix="decode-large", initializer=step_back)

    def read(self, data: bytes) -> NDArray[np.uint8]:
        """Return an input of shape (crop, crop, 3), RGB.

        Raises:
            UnsupportedMediaError, UndecodableImageError, TooLargeError
            Later: the image is large.
        """
        with _told_to_clients():
            header = images.inspect(data, self._limits)
            if header.pixels <= LARGE_PIXELS:
                return images.decode(header, self._preprocessing)
        raise Later(lambda: self._decode_large(header))

    def close(self) -> None:
        self._large.shutdown(wait=False, cancel_futures=True)

    async def _decode_large(self, header: Header) -> NDArray[np.uint8]:
        with _told_to_clients():
            loop = asyncio.get_running_loop()
            return await loop.run_in_executor(self._large, images.decode, header, self._preprocessing)


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
