"""What Schemathesis, run by test_openapi.py, sends where the OpenAPI document says `binary`: JSON Schema cannot tell images."""

import io

import schemathesis
from hypothesis import strategies
from PIL import Image


def _image(kind: str) -> bytes:
    stream = io.BytesIO()
    Image.linear_gradient("L").resize((40, 30)).convert("RGB").save(stream, kind)
    return stream.getvalue()


_IMAGES = {f"image/{kind}": _image(kind) for kind in ("jpeg", "png", "webp")}
_any = strategies.sampled_from(list(_IMAGES.values()))

for _media_type, _content in _IMAGES.items():
    schemathesis.openapi.media_type(_media_type, strategies.just(_content))
schemathesis.openapi.media_type("application/octet-stream", _any)
schemathesis.openapi.format("binary", _any)
