"""What a function comes from: its code and all that it reaches, so that what was compiled is never stale.

numba freezes the values of globals when it compiles, and its cache looks at one file. A constant that comes
from another file, or that a program has changed, would go unnoticed.
"""

import hashlib
import itertools
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
        for piece in itertools.chain(*(_describe_function(function, set()) for function in functions)):
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
        members: list[Any] = [*value.__members__.items()]
        yield from _describe([(name, member.value) for name, member in members], (), seen)
    elif _is_of_a_library(value):
        yield f"{getattr(value, '__module__', '')}.{getattr(value, '__name__', '')}"
    else:
        raise _UntoldError


def _describe_function(function: Any, seen: set[int]) -> Iterator[str]:
    if not isinstance(function, FunctionType):
        raise _UntoldError
    yield from _describe_code(function.__code__, seen)
    for value in _reached(function):
        yield from _describe(value, _names(function.__code__), seen)


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
    pieces = [*_describe_code(function.__code__, set())]
    for value in _reached(function):
        with suppress(_UntoldError):
            pieces += [*_describe(value, _names(function.__code__), set())]
    return "\0".join(pieces)


def reached_functions(functions: Sequence[Callable[..., Any]]) -> Iterator[FunctionType]:
    """The Python functions that these reach, by a global or a closure, and those that they reach."""
    waiting, seen = list(functions), {id(function) for function in functions}
    while waiting:
        for value in _reached(waiting.pop()):
            helper = plain_function(value)
            if isinstance(helper, FunctionType) and id(helper) not in seen:
                seen.add(id(helper))
                waiting.append(helper)
                yield helper


def plain_function(value: Any) -> Any:
    """The function that numba has decorated, or the value itself."""
    return value.py_func if hasattr(value, "py_func") else value


def _reached(function: Any) -> Iterator[Any]:
    """What a function's code may use, in a fixed order: its defaults, closure and globals."""
    yield function.__defaults__
    yield [*(function.__kwdefaults__ or {}).items()]
    yield from (cell.cell_contents for cell in function.__closure__ or ())
    yield from map(function.__globals__.get, _names(function.__code__))


def _names(code: CodeType) -> list[str]:
    """The globals and attributes that code asks for, and the code of functions inside it."""
    inner = [_names(constant) for constant in code.co_consts if isinstance(constant, CodeType)]
    return sorted({*code.co_names, *itertools.chain(*inner)})


def _is_of_a_library(value: Any) -> bool:
    """Whether it is a function or type of LIBRARIES."""
    if not isinstance(value, BuiltinFunctionType | np.ufunc | type):
        return False
    module = getattr(value, "__module__", None) or "numpy"  # which a ufunc need not say
    return module.partition(".")[0] in LIBRARIES
