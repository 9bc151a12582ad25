"""What kind of file it is, by its content, before anything parses it. A pickle runs code when it is loaded: it never is."""

import json
import re
from pathlib import Path
from typing import Literal

_TORCH = (
    "is a pickle, as torch.save writes it (.pt, .pth): loading one can run code that somebody put into it, so it is not "
    'loaded here. Whoever trusts it converts it: python -c "import safetensors.torch, torch; safetensors.torch.save_file('
    "torch.load('model.pth', map_location='cpu', weights_only=True), 'model.safetensors')\""
)
_KERAS = (
    "is a Keras model (.h5, .keras), which can hold code (Lambda layers), so it is not loaded here. Whoever trusts it "
    'converts it: python -c "import tensorflow, tf2onnx; tf2onnx.convert.from_keras('
    "tensorflow.keras.models.load_model('model.h5'), output_path='model.onnx')\""
)
_HDF5 = b"\x89HDF\r\n\x1a\n"
_ZIP = b"PK\x03\x04"
_PICKLE = re.compile(rb"\x80[\x01-\x05]")
# What a pickle of protocol 0 begins with: an opcode with the names of a module and of something in it.
_OLD_PICKLE = re.compile(rb"\(*[cip][\w.]+\r?\n[\w.]+\r?\n|\([dl]p\d")
# The header of safetensors that torchvision's largest model needs has some 200 kB.
_MAX_HEADER = 100_000_000
_BEGINNING = 4096


class ModelFileError(Exception):
    """The file cannot be imported; the message says what it is and what to do."""


def kind_of(path: Path) -> Literal["safetensors", "onnx"]:
    """Tell safetensors from ONNX; nothing is parsed but the header of safetensors.

    Raises:
        ModelFileError: it is neither. What is known to hold code is named, with the way to convert it.
    """
    try:
        with path.open("rb") as stream:
            beginning = stream.read(_BEGINNING)
            size = path.stat().st_size
            if beginning.startswith(_HDF5):
                raise ModelFileError(f"{path} {_KERAS}")
            if beginning.startswith(_ZIP):
                keras = any(name in beginning for name in (b"model.weights.h5", b"metadata.json"))
                raise ModelFileError(f"{path} {_KERAS if keras else _TORCH}")
            if _PICKLE.match(beginning) or _OLD_PICKLE.match(beginning):
                raise ModelFileError(f"{path} {_TORCH}")
            length = int.from_bytes(beginning[:8], "little")
            if beginning[8:9] == b"{" and 2 <= length <= min(_MAX_HEADER, size - 8):
                stream.seek(8)
                json.loads(stream.read(length))
                return "safetensors"
    except OSError as error:
        raise ModelFileError(f"cannot read {path}: {error.strerror}") from None
    except ValueError:
        raise ModelFileError(f"{path} begins as safetensors do, but its header is damaged") from None
    # A ModelProto begins with the field ir_version; writers keep to the order of the fields.
    if beginning[:1] == b"\x08":
        return "onnx"
    raise ModelFileError(f"{path} is neither safetensors nor ONNX")
