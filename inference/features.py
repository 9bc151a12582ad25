"""The input of models that take a row of numbers: `{"features": [5.1, 3.5, 1.4, 0.2]}`."""

import json
import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from inference.errors import BadRequestError, InvalidFeaturesError, quoted

FIELD = "features"
# float32 ends at 3.4e38; within this bound, no scaling or layer of a usable network overflows.
LARGEST = 1e20

_TYPES = {bool: "a boolean", str: "a string", list: "an array", dict: "an object", type(None): "null"}
_NAMES_SHOWN = 8


class FeatureReader:
    """Turns the bytes of a JSON object into the model's input.

    Args:
        names: what each number is, in order.
    """

    def __init__(self, names: list[str]) -> None:
        self._names = names
        shown = names if len(names) <= _NAMES_SHOWN else [*names[:_NAMES_SHOWN], "…"]
        self._wanted = f"{len(names)} number{'s' if len(names) > 1 else ''} ({', '.join(shown)})"

    def read(self, data: bytes) -> NDArray[np.float32]:
        """Return an input of shape (len(names),).

        Raises:
            BadRequestError: this is no JSON.
            InvalidFeaturesError: it is JSON, but not the object that the model needs.
        """
        values = self._values(_parsed(data))
        if len(values) != len(self._names):
            raise InvalidFeaturesError(f"Expected {self._wanted}; {len(values)} came.")
        for index, value in enumerate(values):
            problem = _problem(value)
            if problem:
                raise InvalidFeaturesError(f"Expected {self._wanted}; {FIELD}[{index}], {self._names[index]}, is {problem}.")
        return np.array(values, np.float32)

    def close(self) -> None:
        """Nothing is held; a decoder of images holds threads."""

    def _values(self, document: Any) -> list[Any]:
        wanted = f'Expected {{"{FIELD}": [...]}} with {self._wanted}'
        if not isinstance(document, dict):
            raise InvalidFeaturesError(f"{wanted}; {_TYPES.get(type(document), 'a number')} came.")
        unknown = sorted(document.keys() - {FIELD})
        if unknown:
            raise InvalidFeaturesError(f"{wanted}; {quoted(unknown[0])} is not known.")
        if FIELD not in document:
            raise InvalidFeaturesError(f"{wanted}; an object without {FIELD!r} came.")
        values = document[FIELD]
        if not isinstance(values, list):
            raise InvalidFeaturesError(f"{wanted}; {FIELD!r} is {_TYPES.get(type(values), 'a number')}.")
        return values


def _parsed(data: bytes) -> Any:
    try:
        return json.loads(data.decode())
    except RecursionError:
        raise BadRequestError("The JSON is nested too deeply.") from None
    except UnicodeDecodeError:
        raise BadRequestError("The body is not JSON: it is not UTF-8.") from None
    except json.JSONDecodeError as error:
        raise BadRequestError(f"The body is not JSON: {error}.") from None
    except ValueError:  # An integer of more digits than Python converts, sys.get_int_max_str_digits().
        raise InvalidFeaturesError("A number has too many digits.") from None


def _problem(value: Any) -> str | None:
    """Say what an element is that is not a number of the model's type, float32."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return _TYPES.get(type(value), "no number")
    if isinstance(value, float) and not math.isfinite(value):
        return "not finite"
    if abs(value) > LARGEST:
        return f"beyond {LARGEST:g}"
    return None
