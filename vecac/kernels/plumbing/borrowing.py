"""Arrays without an owner: counting references costs a kernel more than some of its arithmetic."""

from collections.abc import Iterator
from typing import Any

from llvmlite import ir
from numba import types
from numba.extending import intrinsic

MEMINFO = 0
"""The field of numba's array structure that names the owner."""


def _owners(value_type: Any, path: tuple[int, ...] = ()) -> Iterator[tuple[int, ...]]:
    """Where in a value of this type owners of arrays are named."""
    if isinstance(value_type, types.Array):
        yield (*path, MEMINFO)
    elif isinstance(value_type, types.BaseTuple):
        for index, element in enumerate(value_type):
            yield from _owners(element, (*path, index))


@intrinsic
def borrow(_context: Any, memory: Any) -> Any:
    """The same tuple of arrays (and tuples of arrays), in the same memory, which the caller keeps alive.

    numba counts who uses an array, with an atomic addition wherever one is taken out of a tuple. Arrays
    that nobody owns are not counted.
    """

    def generate(_context: Any, builder: Any, signature: Any, args: Any) -> Any:
        value = args[0]
        for path in _owners(signature.args[0]):
            owner = builder.extract_value(value, path)
            value = builder.insert_value(value, ir.Constant(owner.type, None), path)
        return value

    return memory(memory), generate
