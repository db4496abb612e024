"""What a function comes from: its code and all that it reaches, so that what was compiled is never stale.

numba freezes the values of globals when it compiles, and its cache looks at one file. A constant or a
function that comes from another file, or that a program has changed, would go unnoticed.
"""

import hashlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from enum import EnumMeta
from types import BuiltinFunctionType, CodeType, FunctionType, ModuleType
from typing import Any

import numpy as np

NUMBERS = (bool, int, float, complex, str, bytes, type(None), type(...))

LIBRARIES = ("builtins", "cmath", "math", "numpy", "operator")
"""What numba has its own compiled form of: their names say what they are."""


class _UntoldError(Exception):
    """A function reaches an object that does not say what it holds."""


def fingerprint(functions: Sequence[Callable[..., Any]]) -> str | None:
    """A digest that differs wherever what numba would make of these plain functions may differ.

    Returns:
        None if one of them reaches an object that does not tell its content: an instance of a class, or
        another function, of which numba may have been told more than its code says.
    """
    digest = hashlib.sha256()
    try:
        for function in functions:
            for piece in _describe_function(function, set()):
                digest.update(piece.encode() + b"\0")
    except (_UntoldError, ValueError):  # the latter from a cell that is still empty
        return None
    return digest.hexdigest()


def _describe(value: Any, names: Sequence[str], seen: set[int]) -> Iterator[str]:
    """All that a value holds, piece by piece.

    Args:
        value: a function, or what one reaches.
        names: the attributes that this function may ask it for.
        seen: modules that have been described; they may import each other.
    """
    yield type(value).__qualname__
    if isinstance(value, NUMBERS):
        yield repr(value)
    elif isinstance(value, ModuleType):
        yield from _describe_module(value, names, seen)
    elif isinstance(value, tuple | list):
        yield f"{len(value)} {getattr(value, '_fields', '')}"
        for item in value:
            yield from _describe(item, names, seen)
    elif isinstance(value, frozenset):
        yield from sorted(map(repr, value))
    elif isinstance(value, np.ndarray | np.generic) and not value.dtype.hasobject:
        yield f"{value.dtype.descr} {value.shape} {value.tobytes().hex()}"
    elif isinstance(value, EnumMeta):
        members: dict[str, Any] = dict(value.__members__)
        yield from _describe([(name, member.value) for name, member in members.items()], (), seen)
    elif _is_of_a_library(value):
        yield f"{getattr(value, '__module__', '')}.{getattr(value, '__name__', '')}"
    else:
        raise _UntoldError


def _describe_function(function: Any, seen: set[int]) -> Iterator[str]:
    if not isinstance(function, FunctionType):
        raise _UntoldError
    names = sorted(set(_names(function.__code__)))
    yield from _describe_code(function.__code__, seen)
    yield from _describe([function.__defaults__, *(function.__kwdefaults__ or {}).items()], names, seen)
    for cell in function.__closure__ or ():
        yield from _describe(cell.cell_contents, names, seen)
    for name in names:
        if name in function.__globals__:
            yield name
            yield from _describe(function.__globals__[name], names, seen)


def _describe_code(code: CodeType, seen: set[int]) -> Iterator[str]:
    yield code.co_code.hex()
    yield repr((code.co_names, code.co_varnames, code.co_freevars, code.co_cellvars, code.co_argcount))
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _describe_code(constant, seen)
        else:
            yield from _describe(constant, (), seen)


def _describe_module(module: ModuleType, names: Sequence[str], seen: set[int]) -> Iterator[str]:
    yield module.__name__
    if module.__name__.partition(".")[0] in LIBRARIES or id(module) in seen:
        return
    seen.add(id(module))
    for name in names:
        if hasattr(module, name):
            yield name
            yield from _describe(getattr(module, name), names, seen)


def constants_of(function: FunctionType) -> str:
    """A function's code and all it reaches that tells its content, other functions left out."""
    names = sorted(set(_names(function.__code__)))
    cells = [cell.cell_contents for cell in function.__closure__ or ()]
    pieces = [*_describe_code(function.__code__, set())]
    for value in (function.__defaults__, *map(function.__globals__.get, names), *cells):
        with suppress(_UntoldError):
            pieces += [*_describe(value, names, set())]
    return "\0".join(pieces)


def reached_functions(functions: Sequence[Callable[..., Any]]) -> Iterator[FunctionType]:
    """The Python functions that these call, by a global or a closure, and whatever those call."""
    waiting, seen = list(functions), {id(function) for function in functions}
    while waiting:
        function = waiting.pop()
        cells = [cell.cell_contents for cell in function.__closure__ or ()]
        for value in (*map(function.__globals__.get, _names(function.__code__)), *cells):
            helper = plain_function(value)
            if isinstance(helper, FunctionType) and id(helper) not in seen:
                seen.add(id(helper))
                waiting.append(helper)
                yield helper


def plain_function(value: Any) -> Any:
    """The function that numba has decorated, or the value itself."""
    return value.py_func if hasattr(value, "py_func") else value


def _names(code: CodeType) -> Iterator[str]:
    """The globals and attributes that code asks for, and the code of functions inside it."""
    yield from code.co_names
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _names(constant)


def _is_of_a_library(value: Any) -> bool:
    """Whether it is a function or type of LIBRARIES."""
    if not isinstance(value, BuiltinFunctionType | np.ufunc | type):
        return False
    module = getattr(value, "__module__", None) or "numpy"  # which a ufunc need not say
    return module.partition(".")[0] in LIBRARIES
