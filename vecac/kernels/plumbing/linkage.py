"""Kernels whose machine code calls no function outside of it.

numba compiles each function that a kernel calls on its own as well, and gives the copy inside the kernel
weak linkage: whoever loads the kernel takes the copy that is in memory already, if there is one. That is
the case in the process which compiled it, and after other kernels, but not in one that loads it from the
disk; and the copies, optimised each in its surroundings, differ in their last bits. With internal
linkage the kernel runs what it was compiled with, in every process, and the compiler, which sees all
callers of a function, optimises it for them.

numba's own classes, other than its decorators, are used in this file alone of those that compile.
"""

from typing import Any

from numba.core.codegen import JITCodeLibrary
from numba.core.compiler import Compiler


class SelfContainedCompiler(Compiler):
    """numba's compiler, for `njit(pipeline_class=...)`, with a library that shares no function."""

    def __init__(self, typing_context: Any, target_context: Any, library: Any, *settings: Any) -> None:
        assert library is None, "numba makes the library itself now"
        library = _SelfContainedLibrary(target_context.codegen(), "kernel")
        library.enable_object_caching()
        super().__init__(typing_context, target_context, library, *settings)


class _SelfContainedLibrary(JITCodeLibrary):
    def _optimize_final_module(self) -> None:
        """What the kernel calls is linked in by now, and nothing is optimised yet."""
        for function in self._final_module.functions:
            if not function.is_declaration and function.linkage.name == "linkonce_odr":
                function.linkage = "internal"
        super()._optimize_final_module()
