"""Choosing what a kernel computes while it is compiled, by the types of its arguments, at no cost later."""

import functools
from collections.abc import Callable
from typing import Any

from numba import types
from numba.extending import overload

Decorator = Callable[[Callable[..., Any]], Callable[..., Any]]


def chosen_by_type(**jit_options: Any) -> Decorator:
    """Decorate a function of numba's types, which returns what a kernel calls with arguments of such types.

    That is compiled with jit_options. Only kernels call it: plain Python has no such types.
    """

    def decorate(choose: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(choose)
        def only_compiled(*_: Any) -> Any:
            raise TypeError(f"{choose.__name__} is for kernels to call")

        overload(only_compiled, jit_options=jit_options, strict=False)(choose)
        return only_compiled

    return decorate


def where_present(field: str, **jit_options: Any) -> Decorator:
    """Decorate what a kernel does where its last argument, a record, has the field, and leaves out elsewhere.

    numba takes a record for any other one that it begins with: of two that a kernel calls the same
    function with, the longer one must not begin as the shorter one does.
    """

    def decorate(function: Callable[..., Any]) -> Callable[..., Any]:
        @chosen_by_type(**jit_options)
        @functools.wraps(function)
        def choose(*types: Any) -> Any:
            return function if has(types[-1], field) else _nothing

        return choose

    return decorate


def _nothing(*_: Any) -> None:
    pass


def has(record: Any, field: str) -> bool:
    """Whether a record's type, as `chosen_by_type` hands it on, has the field."""
    return field in record.fields


def has_field(memory: Any, field: str) -> bool:
    """Whether a NamedTuple's field, by its type, is anything but ()."""
    return not isinstance(memory.types[memory.fields.index(field)], types.Tuple)


def length(record: Any, field: str) -> int:
    """Of an array that is the record's field, along its last axis."""
    return int(record.fields[field].type.shape[-1])
