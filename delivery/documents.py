"""Documents in JSON or YAML that are checked when they are read."""

from pydantic import BaseModel, ConfigDict, ValidationError


class Document(BaseModel):
    """What has its fields and no others, and stays as it is."""

    model_config = ConfigDict(extra="forbid", frozen=True)


def faults(error: ValidationError) -> str:
    """Return what is wrong with a document, each with its place, and no value of it."""
    found = error.errors(include_url=False, include_context=False, include_input=False)
    text = "; ".join(": ".join([".".join(map(str, one["loc"])), one["msg"]]).removeprefix(": ") for one in found[:10])
    # Names of fields may be anybody's, and a line of its own may be a command to a workflow.
    return " ".join(text.split())
