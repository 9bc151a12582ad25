"""The one field of a multipart form, as RFC 2046 and RFC 7578 say, and as clients send it."""

import re
from collections.abc import Sequence

from inference.errors import BadRequestError

FORM = "multipart/form-data"

_END_OF_HEADERS = b"\r\n\r\n"
# Of what precedes the first delimiter, and of the headers of the field.
_MAX_PREAMBLE_BYTES = 4096
_MAX_HEAD_BYTES = 4096
_MAX_BOUNDARY = 70  # RFC 2046, section 5.1.1
_FOLD = re.compile(rb"\r\n[ \t]+")
# A quote ends the text only where a parameter may end: file names hold quotes and backslashes, which some clients escape with a
# backslash, browsers as %22, and others not at all. A text without an end is one all the same, so that this takes linear time.
_PARAMETER = re.compile(r';\s*([^\s=;"]+)\s*=\s*(?:"(.*?)(?:"(?=\s*(?:;|$))|$)|([^;]*))', re.DOTALL)


def boundary_of(content_type: str) -> bytes:
    """Return what separates the parts of a form of this Content-Type; nothing when it does not tell."""
    values = {name.lower(): quoted or plain.strip() for name, quoted, plain in _PARAMETER.findall(content_type)}
    return values.get("boundary", "").encode("latin-1", "replace")


def form_field(body: bytes, boundary: bytes, names: Sequence[str]) -> bytes:
    """Return the content of the one field that a multipart form has, sent as a file or as a plain value.

    RFC 2046, section 5.1.1: the line end before a delimiter belongs to it, so that a form may begin with an empty line; white
    space behind a delimiter, what precedes the first one and what follows the last one are to be ignored. The file name is used
    for nothing, and so may be of any encoding.

    Tornado's parser takes neither preambles nor white space behind a delimiter, and copies a form three times; the package
    multipart (2.0) does not take the latter. Here nothing is copied but the content.

    Raises:
        BadRequestError: no form, or not exactly one field of one of these names: what is not used is not ignored.
    """
    if not 0 < len(boundary) <= _MAX_BOUNDARY:
        raise BadRequestError(f"The Content-Type has no boundary of 1 to {_MAX_BOUNDARY} characters.")
    delimiter = b"\r\n--" + boundary
    head = _behind_first_delimiter(body, delimiter)
    blank = body.find(_END_OF_HEADERS, head - 2, head + _MAX_HEAD_BYTES)
    start = blank + len(_END_OF_HEADERS)
    end = body.find(delimiter, start)
    if blank < 0 or end < 0:
        raise BadRequestError(
            f"The multipart body cannot be read: the field has no headers of at most {_MAX_HEAD_BYTES:,} bytes, or the final "
            "boundary is missing."
        )
    if _field_name(body[head:blank]) not in names or not body.startswith(b"--", end + len(delimiter)):
        raise BadRequestError(f"The multipart body must have one field, named {' or '.join(names)}.")
    return body[start:end]


def _behind_first_delimiter(body: bytes, delimiter: bytes) -> int:
    """Return where the line after the first delimiter begins."""
    first = 0 if body.startswith(delimiter[2:]) else body.find(delimiter, 0, _MAX_PREAMBLE_BYTES + len(delimiter)) + 2
    at = first + len(delimiter) - 2
    if first == 1 or body[at : at + 2] == b"--":
        raise BadRequestError(
            f"The multipart body cannot be read: no field begins within its first {_MAX_PREAMBLE_BYTES:,} bytes."
        )
    end = body.find(b"\r\n", at, at + _MAX_HEAD_BYTES)
    if end < 0 or body[at:end].strip(b" \t"):
        raise BadRequestError("The multipart body cannot be read: something stands behind its first boundary.")
    return end + 2


def _field_name(head: bytes) -> str:
    """Return the name that the headers of a field give it."""
    lines = _FOLD.sub(b" ", head).decode("latin-1").split("\r\n")
    headers = [(name.strip().lower(), value) for name, _, value in (line.partition(":") for line in lines)]
    found = [value for name, value in headers if name == "content-disposition"]
    if len(found) != 1 or found[0].partition(";")[0].strip().lower() != "form-data":
        raise BadRequestError('The multipart body cannot be read: its field has no "Content-Disposition: form-data".')
    values = [quoted or plain.strip() for name, quoted, plain in _PARAMETER.findall(found[0]) if name.lower() == "name"]
    if len(values) != 1:
        raise BadRequestError("The multipart body cannot be read: its field has no name, or more than one.")
    return str(values[0])
