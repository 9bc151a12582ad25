"""Decoding and preprocessing of uploads, in threads: Pillow releases the interpreter while it works."""

import asyncio
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from numpy.typing import NDArray

from bundle import images
from bundle.preprocessing import Preprocessing, prepare
from inference.errors import TooLargeError, UndecodableImageError, UnsupportedMediaError


class Decoder:
    """Turns the bytes of an image into the model's input.

    Args:
        max_pixels: width times height above which an image is refused.
        threads: images decoded at once.
    """

    def __init__(self, preprocessing: Preprocessing, max_pixels: int, threads: int) -> None:
        self._preprocessing = preprocessing
        self._max_pixels = max_pixels
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="decode")

    async def decode(self, data: bytes) -> NDArray[np.float32]:
        """Return an input of shape (3, crop, crop).

        Raises:
            UnsupportedMediaError, UndecodableImageError, TooLargeError
        """
        return await asyncio.get_running_loop().run_in_executor(self._pool, self._decode, data)

    def close(self) -> None:
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _decode(self, data: bytes) -> NDArray[np.float32]:
        try:
            return prepare(images.decode(data, self._max_pixels), self._preprocessing)
        except images.UnsupportedFormatError as error:
            raise UnsupportedMediaError(str(error)) from None
        except images.UndecodableError as error:
            raise UndecodableImageError(str(error)) from None
        except images.TooManyPixelsError as error:
            raise TooLargeError(str(error)) from None
