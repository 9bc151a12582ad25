"""Decoding for the service: errors become HTTP's, large images wait for each other only, and nobody's work is dropped."""

import asyncio
import threading
from collections.abc import Awaitable, Callable

import numpy as np
import pytest
from numpy.typing import NDArray

from bundle import images
from bundle.image_headers import Header
from bundle.preprocessing import Preprocessing
from inference import decode
from inference.decode import Decoder, Later
from inference.errors import ServingError
from tests.hostile_images import everything
from tests.image_builders import encoded, picture

PREPROCESSING = Preprocessing(resize_shorter_side=36, interpolation="bilinear", crop=32)
SMALL = encoded(picture(40, 30), "JPEG")
LARGE = encoded(picture(41, 30), "JPEG")


class Gate:
    """Stands before the decoding of large images: notes who arrives, and lets none pass before `opened`."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.arrived = 0
        self.opened = threading.Event()
        self._decode = images.decode
        monkeypatch.setattr(decode, "LARGE_PIXELS", 40 * 30)
        monkeypatch.setattr(images, "decode", self.pass_through)

    def pass_through(self, header: Header, preprocessing: Preprocessing) -> NDArray[np.uint8]:
        if header.pixels > 40 * 30:
            self.arrived += 1
            assert self.opened.wait(20)
        return self._decode(header, preprocessing)


def run(scenario: Callable[[Decoder], Awaitable[None]]) -> None:
    async def main() -> None:
        decoder = Decoder(PREPROCESSING, images.Limits())
        try:
            async with asyncio.timeout(20):
                await scenario(decoder)
        finally:
            decoder.close()

    asyncio.run(main())


async def decode_in_thread(decoder: Decoder, data: bytes) -> NDArray[np.uint8]:
    """Decode as a request is: in a worker's thread, or later."""
    try:
        return await asyncio.to_thread(decoder.read, data)
    except Later as later:
        return await later.item()


def test_every_image_gets_pixels_or_the_status_that_fits() -> None:
    async def scenario(decoder: Decoder) -> None:
        for name, sample in everything().items():
            try:
                pixels = await decode_in_thread(decoder, sample.data)
            except ServingError as error:
                assert error.status == sample.status, name
            else:
                assert sample.status == 200, name
                assert (pixels.dtype, pixels.shape) == (np.uint8, (32, 32, 3))

    run(scenario)


def test_large_images_are_decoded_one_at_a_time_and_keep_no_small_one_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    expected = images.read_pixels(LARGE, PREPROCESSING, images.Limits())
    gate = Gate(monkeypatch)

    async def scenario(decoder: Decoder) -> None:
        large = [asyncio.create_task(decode_in_thread(decoder, LARGE)) for _ in range(5)]
        while not gate.arrived:
            await asyncio.sleep(0.01)
        for _ in range(10):
            await decode_in_thread(decoder, SMALL)
        assert gate.arrived == 1
        gate.opened.set()
        for pixels in await asyncio.gather(*large):
            assert np.array_equal(pixels, expected)
        assert gate.arrived == 5

    run(scenario)


def test_what_has_not_begun_is_dropped_when_nobody_waits_for_it(monkeypatch: pytest.MonkeyPatch) -> None:
    gate = Gate(monkeypatch)

    async def scenario(decoder: Decoder) -> None:
        first, *others = [asyncio.create_task(decode_in_thread(decoder, LARGE)) for _ in range(5)]
        while not gate.arrived:
            await asyncio.sleep(0.01)
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)
        gate.opened.set()
        await first
        await decode_in_thread(decoder, LARGE)
        assert gate.arrived == 2

    run(scenario)
