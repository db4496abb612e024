"""numba's private parts are where they were; a kernel's machine code is all its own."""

import ast
import inspect
import pkgutil
import re
from pathlib import Path

import numba
import numpy as np
import pytest
from learner_support import discrete
from numba import njit, typeof, types
from numba.core.compiler import Compiler
from numba.core.registry import cpu_target

import vecac
from vecac.config import Config
from vecac.kernels.mathematics.model import update
from vecac.kernels.plumbing import compiling, fingerprint, numba_internals
from vecac.kernels.plumbing.numba_internals import (
    DistinctCompiler,
    SelfContainedCompiler,
    compare_and_swap,
    fetch_add,
    sched_yield,
    tuple_setitem,
)
from vecac.learners.kernel_parameters import KernelParameters
from vecac.seeding import seed_sequences

PARTS = {
    numba_internals: [
        "numba.core.codegen:JITCodeLibrary._optimize_final_module",
        "numba.core.codegen:JITCodeLibrary.enable_object_caching",
        "numba.core.compiler:CompileResult.entry_point",
        "numba.core.compiler:Flags.noalias",
        "numba.core.compiler:Compiler",
        "numba.core.cpu:CPUContext.cast",
        "numba.core.cpu:CPUContext.codegen",
        "numba.core.cpu:CPUContext.make_array",
        "numba.core.options:DefaultOptions._nrt",
        "numba.cpython.unsafe.tuple:tuple_setitem",
        "numba.types:ExternalFunction",
        "llvmlite.ir:IRBuilder.atomic_rmw",
        "llvmlite.ir:IRBuilder.cmpxchg",
        "llvmlite.ir:IRBuilder.extract_value",
        "llvmlite.ir:IRBuilder.gep",
        "llvmlite.binding:ValueRef.linkage",
        "llvmlite.binding:ValueRef.name",
        "llvmlite.binding:ValueRef.is_declaration",
    ],
    compiling: [
        "numba:config.CACHE_DIR",
        "numba.core.dispatcher:Dispatcher.compile",
        "numba.core.dispatcher:Dispatcher.disable_compile",
        "numba.core.dispatcher:Dispatcher.nopython_signatures",
        "numba.types:FunctionType",
    ],
}


def there_is(part):
    try:
        pkgutil.resolve_name(part)
    except (ImportError, AttributeError):
        return False
    return True


@pytest.mark.parametrize(("file", "part"), [(file, part) for file, parts in PARTS.items() for part in parts])
def test_what_is_used_of_numba_is_there(file, part):
    name = part.replace(":", ".")
    assert there_is(part), f"numba {numba.__version__} has no {name} any more, which {file.__name__} uses"


def test_what_is_used_of_numbas_objects_is_there():
    library = cpu_target.target_context.codegen().create_library("numba_internals")
    assert hasattr(library, "_final_module"), "numba.core.codegen.CodeLibrary has no _final_module any more"
    settings = [*inspect.signature(Compiler.__init__).parameters][1:]
    expected = ["typingctx", "targetctx", "library", "args", "return_type", "flags", "locals"]
    assert settings == expected, f"numba.core.compiler.Compiler takes {settings} now"
    dispatcher = njit(lambda: 0)
    assert hasattr(dispatcher, "overloads"), "numba's Dispatcher has no overloads any more"
    assert hasattr(dispatcher, "py_func"), (
        f"numba's Dispatcher, of {fingerprint.__name__}, has no py_func any more"
    )


def test_no_other_file_reaches_into_numba():
    package = Path(vecac.__file__).parent
    for path in package.rglob("*.py"):
        nodes = [*ast.walk(ast.parse(path.read_text()))]
        modules = {alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names}
        modules |= {str(node.module) for node in nodes if isinstance(node, ast.ImportFrom)}
        modules = {name for name in modules if name.partition(".")[0] in ("numba", "llvmlite")}
        private = modules - {"numba", "numba.extending"}
        assert not private or path == Path(numba_internals.__file__), (path, private)
        assert ".py_func" not in path.read_text() or path == Path(fingerprint.__file__), path


@pytest.mark.parametrize("compiler", [Compiler, SelfContainedCompiler])
def test_a_kernel_shares_no_function_with_others(compiler):
    model = KernelParameters(Config(), 4, discrete(2), seed_sequences(1)).model
    kernel = njit(pipeline_class=compiler)(update.py_func)
    kernel.compile((typeof(model), types.int64, types.float64, types.int64))
    (code,) = kernel.inspect_llvm().values()
    is_shared = "define linkonce_odr" in code
    assert is_shared is (compiler is Compiler)


@pytest.mark.parametrize("compiler", [Compiler, DistinctCompiler])
def test_arrays_that_never_overlap_are_not_looked_at_first(compiler):
    @njit(pipeline_class=compiler)
    def add(total, part):
        for i in range(part.size):
            total[i] += part[i]

    total = np.ones(100)
    add(total, np.arange(100.0))
    assert total.tolist() == [*range(1, 101)]
    (code,) = add.inspect_llvm().values()
    assert ("vector.memcheck" in code) is (compiler is Compiler)


@njit
def fibonacci(n):
    """What calls itself is not inlined."""
    return n if n < 2 else fibonacci(n - 1) + fibonacci(n - 2)


def use_it(n):
    return fibonacci(n)


def defined(kernel):
    """The names of the functions in its machine code that it calls."""
    (code,) = kernel.inspect_llvm().values()
    names = set(re.findall(r'^define [^@]*@"?([^"(]+)', code, re.MULTILINE))
    return {name for name in names if "fibonacci" in name}


def test_no_other_library_finds_what_is_in_a_kernel():
    """The loader would put it in the place of its own, which may take other arguments."""
    kernel, plain = njit(pipeline_class=SelfContainedCompiler)(use_it), njit(use_it)
    assert kernel(10) == plain(10) == 55
    ours, theirs = defined(kernel), defined(plain)
    assert len(ours) == len(theirs) == 1
    assert not ours & theirs


@njit
def use_each(counters):
    sched_yield()
    before = fetch_add(counters, 1, 5)
    swapped = compare_and_swap(counters, 2, 30, 31), compare_and_swap(counters, 2, 30, 32)
    return before, swapped, tuple_setitem((1, 2, 3), 1, 7)


def test_each_does_what_its_name_says():
    counters = np.array([10, 20, 30, 40])
    assert use_each(counters) == (20, (True, False), (1, 7, 3))
    assert counters.tolist() == [10, 25, 31, 40]
    (code,) = use_each.inspect_llvm().values()
    assert code.count("seq_cst") >= 3, "fetch_add and compare_and_swap are atomic"
