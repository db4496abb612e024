"""What vecac takes from inside numba; test_numba_internals.py names what a version has moved.

Linkage: numba compiles each function that a kernel calls on its own as well, and gives the copy inside the
kernel weak linkage: whoever loads the kernel takes the copy that is in memory already, if there is one.
That is the case in the process which compiled it, and after other kernels, but not in one that loads it
from the disk; and the copies, optimised each in its surroundings, differ in their last bits. With internal
linkage the kernel runs what it was compiled with, in every process, and the compiler, which sees all
callers of a function, optimises it for them. It may take other arguments then. The loader goes by names
whatever the linkage, so what is internal gets a name that no other library has: whoever compiles a call of
the same function elsewhere would be handed this one.
"""

import sys
from collections.abc import Callable
from typing import Any

from numba import types
from numba.core.codegen import JITCodeLibrary
from numba.core.compiler import Compiler
from numba.cpython.unsafe import tuple as unsafe_tuple
from numba.extending import intrinsic

PREFIX = "vecac."

UNCOUNTED: dict[str, Any] = {"_nrt": False}
"""Of `njit`: nobody counts references to arrays, nor makes or returns one; who calls a kernel holds what it
works on. To count them all takes more time than a small network."""


class SelfContainedCompiler(Compiler):
    """numba's compiler, for `njit(pipeline_class=...)`, with a library that shares no function."""

    def __init__(self, typing_context: Any, target_context: Any, library: Any, *settings: Any) -> None:
        assert library is None, "numba makes the library itself now"
        library = _SelfContainedLibrary(target_context.codegen(), "kernel")
        library.enable_object_caching()
        super().__init__(typing_context, target_context, library, *settings)


class DistinctCompiler(Compiler):
    """numba's compiler, for `njit(pipeline_class=...)` of a function whose arrays never overlap.

    Compiled by numba's own, each loop looks, whenever it begins, whether what it writes and what it reads do.
    """

    def __init__(self, *settings: Any) -> None:
        *before, flags, after = settings
        flags = flags.copy()
        flags.noalias = True
        super().__init__(*before, flags, after)


class _SelfContainedLibrary(JITCodeLibrary):
    def _optimize_final_module(self) -> None:
        """What the kernel calls is linked in by now, and nothing is optimised yet."""
        for function in self._final_module.functions:
            if not function.is_declaration and function.linkage.name == "linkonce_odr":
                function.linkage, function.name = "internal", PREFIX + function.name
        super()._optimize_final_module()


def entry_point(kernel: Any) -> Callable[..., Any]:
    """What a compiled function with one signature calls when it has looked at its arguments' types."""
    (compiled,) = kernel.overloads.values()
    called: Callable[..., Any] = compiled.entry_point
    return called


@intrinsic
def fetch_add(_context: Any, array: Any, index: Any, number: Any) -> Any:
    """Add to array[index], an int64, as one step that all threads see in order; the number before."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        place, (number,) = _place_and_numbers(context, builder, signature, args)
        return builder.atomic_rmw("add", place, number, "seq_cst")

    return types.int64(array, index, number), generate


@intrinsic
def compare_and_swap(_context: Any, array: Any, index: Any, old: Any, new: Any) -> Any:
    """Make array[index], an int64, `new` if it is `old`, as one step like fetch_add's; whether it was."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        place, (old, new) = _place_and_numbers(context, builder, signature, args)
        return builder.extract_value(builder.cmpxchg(place, old, new, "seq_cst", "seq_cst"), 1)

    return types.boolean(array, index, old, new), generate


def _place_and_numbers(context: Any, builder: Any, signature: Any, args: Any) -> tuple[Any, list[Any]]:
    """The address of args[0][args[1]], and the further arguments as int64."""
    array, *integers = zip(args, signature.args, strict=True)
    index, *numbers = (context.cast(builder, value, kind, types.int64) for value, kind in integers)
    data = context.make_array(array[1])(context, builder, array[0]).data
    return builder.gep(data, [index]), numbers


tuple_setitem = unsafe_tuple.tuple_setitem
"""tuple_setitem(items, index, item): a copy of a tuple with one item replaced, by an index that may vary."""

sched_yield = types.ExternalFunction(
    "SwitchToThread" if sys.platform == "win32" else "sched_yield", types.int32()
)
"""Called in a kernel: let another thread run on this core."""
