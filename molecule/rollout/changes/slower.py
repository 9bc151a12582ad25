"""A release that answers as before, and takes a third longer for it."""

import asyncio
import time
from typing import Any

from inference.predict import Predictor

_predict = Predictor.predict


async def _slower(predictor: Predictor, data: bytes) -> list[dict[str, Any]]:
    begin = time.perf_counter()
    try:
        return await _predict(predictor, data)
    finally:
        await asyncio.sleep((time.perf_counter() - begin) / 3)


Predictor.predict = _slower
