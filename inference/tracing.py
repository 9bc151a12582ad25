"""W3C Trace Context (https://www.w3.org/TR/trace-context-2/, section 3.2): which trace a request belongs to."""

import re
from collections.abc import Mapping

_TRACEPARENT = re.compile(r"([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-[0-9a-f]{2}(-[^,]*)?")
_INVALID_VERSION = "ff"
_VERSION_WITHOUT_MORE = "00"


def trace_fields(headers: Mapping[str, str]) -> dict[str, str]:
    """Return `trace_id` and `parent_span_id` of a request for its lines in the log.

    A `traceparent` that breaks a rule counts as none, as the specification asks (3.2.2.5): wrong length, upper case, all
    zeros, version ff, more fields than version 00 has, or the header given twice. Of later versions, the part that is
    known is taken.
    """
    header = headers.get("traceparent")
    if header is None:
        return {}
    match = _TRACEPARENT.fullmatch(header)
    if match is None:
        return {}
    version, trace_id, parent_id, more = match.groups()
    if version == _INVALID_VERSION or (version == _VERSION_WITHOUT_MORE and more is not None):
        return {}
    if not trace_id.strip("0") or not parent_id.strip("0"):
        return {}
    return {"trace_id": trace_id, "parent_span_id": parent_id}
