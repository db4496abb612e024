"""A kernel's machine code is all its own; numba's private parts that see to it are where they were."""

import pytest
from numba import njit, typeof, types
from numba.core.compiler import Compiler

from vecac.config import Config
from vecac.kernels.mathematics.model import update
from vecac.kernels.plumbing.linkage import SelfContainedCompiler
from vecac.learners.kernel_parameters import KernelParameters
from vecac.seeding import seed_sequences


@pytest.mark.parametrize("compiler", [Compiler, SelfContainedCompiler])
def test_a_kernel_shares_no_function_with_others(compiler):
    model = KernelParameters(Config(), 4, 2, seed_sequences(1)).model
    kernel = njit(pipeline_class=compiler)(update.py_func)
    kernel.compile((typeof(model), types.int64, types.float64, types.int64))
    (code,) = kernel.inspect_llvm().values()
    is_shared = "define linkonce_odr" in code
    assert is_shared is (compiler is Compiler)
