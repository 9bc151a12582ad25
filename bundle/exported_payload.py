"""What a `.pt2` archive says of its weights and constants: which file holds which tensor."""

from typing import Annotated

from pydantic import AfterValidator, StrictBool, StringConstraints

from bundle.exported_graph import ELEMENT_BYTES, DottedName, Strict, SymInt, TensorMeta


def _no_pickle(value: bool) -> bool:
    if value:
        raise ValueError("is marked as a pickle")
    return value


class _Payload(Strict):
    path_name: Annotated[str, StringConstraints(pattern=r"^(weight|tensor)_\d+$", max_length=32)]
    is_param: StrictBool
    use_pickle: Annotated[StrictBool, AfterValidator(_no_pickle)]
    tensor_meta: TensorMeta

    def reach(self) -> int:
        """Return how many bytes of its file the tensor uses: up to its last element. Raises ValueError for a symbolic size."""
        meta = self.tensor_meta
        sizes, strides, offset = _numbers(meta.sizes), _numbers(meta.strides), _numbers([meta.storage_offset])[0]
        if 0 in sizes:
            return 0
        last = offset + sum((size - 1) * stride for size, stride in zip(sizes, strides, strict=True))
        return (last + 1) * ELEMENT_BYTES[meta.dtype]


class PayloadConfig(Strict):
    """The document of weights or constants: which file holds which tensor, and how."""

    config: dict[DottedName, _Payload]

    def check_files(self, sizes: dict[str, int]) -> None:
        """See that each tensor is in its file, and that no file is left over.

        Args:
            sizes: of the files, in bytes.

        Raises:
            ValueError
        """
        types: dict[str, int] = {}
        for name, payload in self.config.items():
            file, dtype = payload.path_name, payload.tensor_meta.dtype
            if file not in sizes:
                raise ValueError(f"{name} is in {file}, which is missing")
            if types.setdefault(file, dtype) != dtype or sizes[file] % ELEMENT_BYTES[dtype]:
                raise ValueError(f"{name} is of another type than its file {file}")
            if payload.reach() > sizes[file]:
                raise ValueError(f"{name} ends behind its file {file}")
        left = sorted(sizes.keys() - types.keys())
        if left:
            raise ValueError(f"no tensor is in {left[0]}")


def _numbers(sizes: list[SymInt]) -> list[int]:
    numbers = [size.as_int for size in sizes]
    if None in numbers:
        raise ValueError("a stored tensor has a size that is no number")
    return [number for number in numbers if number is not None]
