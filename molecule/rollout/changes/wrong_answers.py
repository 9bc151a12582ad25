"""A release that gets ready and answers with the classes in reverse order."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from inference.predict import Predictor

_top = Predictor._top


def _reversed(predictor: Predictor, probabilities: NDArray[np.float32]) -> list[dict[str, Any]]:
    return _top(predictor, probabilities[::-1])


Predictor._top = _reversed
