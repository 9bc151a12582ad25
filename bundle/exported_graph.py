"""What the documents of a `.pt2` archive may say: the part of torch's serialisation schema that this project's export writes.

They are parsed into these types, and what torch gets is written anew from them. So nothing reaches it that is not named here:
no other key, no operator that is not listed, no name that is not a plain one (torch writes names into source text, which it
compiles), no expression but a size (torch evaluates them), and no tree of arguments but of tuples, lists and tensors (torch
imports what the context of another one names).

https://github.com/pytorch/pytorch/blob/v2.13.0/torch/_export/serde/schema.py
"""

import json
import re
from typing import Annotated, Literal, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    StrictBool,
    StrictInt,
    StringConstraints,
    TypeAdapter,
    ValidationError,
    model_validator,
)

from bundle.exported_operators import OPERATORS

# Bytes of an element, by torch's number of its type.
ELEMENT_BYTES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 2, 7: 4, 8: 8, 12: 1, 13: 2}
# Sizes as torch writes them: numbers and the batch's symbol, and what is computed of these.
_TERM = re.compile(
    r"Integer\(-?\d{1,15}\)|Symbol\('s\d{1,6}'(, (positive|nonnegative|integer)=True){0,3}\)|s\d{1,6}\b|-?\d{1,15}"
)
_OF_TERMS = re.compile(r"(Add|FloorDiv|Max|Min|Mul)\(\0(, \0)*\)")
_LONGEST = 1000
_SHOWN = 60


def _size(text: str) -> str:
    rest, changed = _TERM.sub("\0", text[:_LONGEST]), 1
    while changed:
        rest, changed = _OF_TERMS.subn("\0", rest)
    if rest != "\0" or "\0" in text or len(text) > _LONGEST:
        raise ValueError(f"carries the expression {text[:_SHOWN]!r}")
    return text


def _operator(text: str) -> str:
    if text not in OPERATORS:
        raise ValueError(f"calls {text[:_SHOWN]!r}, which bundle/exported_operators.py does not list")
    return text


def _no_guards(value: list[str]) -> list[str]:
    if value:
        raise ValueError("carries guard code")
    return value


def _tree(text: str) -> str:
    try:
        protocol, root = _TREE.validate_json(text)
    except ValidationError:
        raise ValueError(f"is a tree of something else than tuples, lists and tensors: {text[:_SHOWN]!r}") from None
    return json.dumps([protocol, root.model_dump()])


Name = Annotated[str, StringConstraints(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$", max_length=512)]
# The dotted name of a parameter or a module. No part of it is one of Python's own, such as __class__.
DottedName = Annotated[
    str, StringConstraints(pattern=r"^_?[A-Za-z0-9][A-Za-z0-9_-]*(\._?[A-Za-z0-9][A-Za-z0-9_-]*)*$", max_length=512)
]
# What operators are told in words, such as the equation of an einsum.
_Word = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_ ,.>-]*$", max_length=64)]
_Float = Annotated[float, Field(strict=True)] | Literal["Infinity", "-Infinity", "NaN"]
_Size = Annotated[StrictInt, Field(ge=0, lt=2**48)]
_Nothing = Annotated[dict[str, str], Field(max_length=0)]


class Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class _OneOf(Strict):
    """One of several forms: an object with one key, which names the form."""

    @model_validator(mode="after")
    def _has_one_form(self) -> Self:
        if [getattr(self, name) is None for name in self.model_fields_set] != [False]:
            raise ValueError("has to have one key, and a value")
        return self


class _Device(Strict):
    type: Literal["cpu"]
    index: None = None


class _Hint(Strict):
    as_int: _Size


class _Expression(Strict):
    expr_str: Annotated[str, AfterValidator(_size)]
    hint: _Hint | None = None


class SymInt(_OneOf):
    """A size: a number, or the symbol of the batch."""

    as_expr: _Expression | None = None
    as_int: _Size | None = None


class TensorMeta(Strict):
    """Type, shape and place of a tensor."""

    dtype: StrictInt
    sizes: list[SymInt] = Field(max_length=16)
    requires_grad: StrictBool
    device: _Device
    strides: list[SymInt] = Field(max_length=16)
    storage_offset: SymInt
    layout: Literal[7]  # Strided

    @model_validator(mode="after")
    def _is_of_a_known_type(self) -> Self:
        if self.dtype not in ELEMENT_BYTES or len(self.sizes) != len(self.strides):
            raise ValueError("is no tensor of a plain type")
        return self


class _Tensor(Strict):
    name: Name


class _SymIntArgument(_OneOf):
    as_name: Name | None = None
    as_int: StrictInt | None = None


class _OptionalTensor(_OneOf):
    as_tensor: _Tensor | None = None
    as_none: Literal[True] | None = None


class _TensorArgument(Strict):
    as_tensor: _Tensor


class Argument(_OneOf):
    """What an operator is given: tensors, numbers, and words. No graph, no object and no operator."""

    as_none: Literal[True] | None = None
    as_tensor: _Tensor | None = None
    as_tensors: list[_Tensor] | None = None
    as_optional_tensors: list[_OptionalTensor] | None = None
    as_int: StrictInt | None = None
    as_ints: list[StrictInt] | None = None
    as_float: _Float | None = None
    as_floats: list[_Float] | None = None
    as_bool: StrictBool | None = None
    as_bools: list[StrictBool] | None = None
    as_string: _Word | None = None
    as_sym_int: _SymIntArgument | None = None
    as_sym_ints: list[_SymIntArgument] | None = None
    as_scalar_type: StrictInt | None = None
    as_memory_format: StrictInt | None = None
    as_layout: StrictInt | None = None
    as_device: _Device | None = None


class _NamedArgument(Strict):
    name: Name
    arg: Argument
    kind: Literal[1, 2] | None = None


class _Node(Strict):
    target: Annotated[str, AfterValidator(_operator)]
    inputs: list[_NamedArgument]
    outputs: list[Argument]
    metadata: _Nothing
    is_hop_single_tensor_return: None = None
    name: Name | None = None


class _Graph(Strict):
    inputs: list[_TensorArgument]
    outputs: list[_TensorArgument]
    nodes: list[_Node]
    tensor_values: dict[Name, TensorMeta]
    sym_int_values: dict[Name, SymInt]
    sym_bool_values: _Nothing
    is_single_tensor_return: Literal[False]
    custom_obj_values: _Nothing
    sym_float_values: _Nothing


class _UserInput(Strict):
    arg: _TensorArgument


class _Parameter(Strict):
    arg: _Tensor
    parameter_name: DottedName


class _Buffer(Strict):
    arg: _Tensor
    buffer_name: DottedName
    persistent: StrictBool


class _TensorConstant(Strict):
    arg: _Tensor
    tensor_constant_name: DottedName


class _InputSpec(_OneOf):
    user_input: _UserInput | None = None
    parameter: _Parameter | None = None
    buffer: _Buffer | None = None
    tensor_constant: _TensorConstant | None = None


class _OutputSpec(Strict):
    user_output: _UserInput


class _Signature(Strict):
    input_specs: list[_InputSpec]
    output_specs: list[_OutputSpec]


class _Tree(Strict):
    type: Literal["builtins.tuple", "builtins.list", "builtins.dict"] | None
    context: Literal["null", "[]"] | None
    children_spec: list["_Tree"]

    @model_validator(mode="after")
    def _holds_nothing_of_its_own(self) -> Self:
        # A dictionary's context is its keys: without any, it is how a call without keyword arguments is written.
        contexts = {None: None, "builtins.tuple": "null", "builtins.list": "null", "builtins.dict": "[]"}
        if self.context != contexts[self.type] or (self.children_spec and self.type in (None, "builtins.dict")):
            raise ValueError("holds something of its own")
        return self


_TREE: TypeAdapter[tuple[Literal[1], _Tree]] = TypeAdapter(tuple[Literal[1], _Tree])


class _CallSignature(Strict):
    inputs: list[_TensorArgument]
    outputs: list[_TensorArgument]
    in_spec: Annotated[str, AfterValidator(_tree)]
    out_spec: Annotated[str, AfterValidator(_tree)]
    forward_arg_names: list[Name] | None = None


class _Call(Strict):
    fqn: Literal[""] | DottedName
    signature: _CallSignature | None = None


class _GraphModule(Strict):
    graph: _Graph
    signature: _Signature
    module_call_graph: list[_Call]
    metadata: _Nothing
    treespec_namedtuple_fields: _Nothing


class _Range(Strict):
    min_val: StrictInt | None
    max_val: StrictInt | None


class _Version(Strict):
    major: StrictInt
    minor: StrictInt


class ExportedGraph(Strict):
    """The document of the program itself, `models/model.json`."""

    graph_module: _GraphModule
    opset_version: dict[Literal["aten"], StrictInt]
    range_constraints: dict[Name, _Range]
    schema_version: _Version
    verifiers: list[Literal["TRAINING"]]
    torch_version: Annotated[str, StringConstraints(pattern=r"^[0-9A-Za-z.+]*$", max_length=64)]
    guards_code: Annotated[list[str], AfterValidator(_no_guards)]
