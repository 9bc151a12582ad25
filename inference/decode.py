"""Decoding and preprocessing of uploads, in threads: Pillow releases the interpreter while it works."""

import asyncio
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from numpy.typing import NDArray

from bundle import images
from bundle.preprocessing import Preprocessing
from inference.errors import TooLargeError, UndecodableImageError, UnsupportedMediaError


class Decoder:
    """Turns the bytes of an image into the model's input.

    Args:
        limits: what an image may promise in its header.
        threads: images decoded at once.
    """

    def __init__(self, preprocessing: Preprocessing, limits: images.Limits, threads: int) -> None:
        self._preprocessing = preprocessing
        self._limits = limits
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="decode")

    async def decode(self, data: bytes) -> NDArray[np.uint8]:
        """Return an input of shape (crop, crop, 3), RGB.

        Raises:
            UnsupportedMediaError, UndecodableImageError, TooLargeError
        """
        return await asyncio.get_running_loop().run_in_executor(self._pool, self._decode, data)

    def close(self) -> None:
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _decode(self, data: bytes) -> NDArray[np.uint8]:
        try:
            return images.read_pixels(data, self._preprocessing, self._limits)
        except images.UnsupportedFormatError as error:
            raise UnsupportedMediaError(str(error)) from None
        except images.UndecodableError as error:
            raise UndecodableImageError(str(error)) from None
        except images.TooManyPixelsError as error:
            raise TooLargeError(str(error)) from None
