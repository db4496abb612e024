"""Small arithmetic on rows in lockstep, for other kernels to inline.

Shapes: L lanes, I inputs of a layer, J outputs of a layer.

All is float32; the compiler may reassociate sums, in every process alike.
"""

from typing import Any

import numpy as np
from numba import njit

from vecac.kernels.mathematics.memory import LANES
from vecac.kernels.plumbing.numba_internals import DistinctCompiler

FAST = {"contract", "reassoc", "arcp", "nsz"}
"""Fast arithmetic that still knows NaN and infinity, which full fastmath would compile away."""

ZERO = np.float32(0)
ONE = np.float32(1)


@njit(forceinline=True, fastmath=FAST, error_model="numpy")
def column(rows: Any, index: int) -> Any:
    """One column of L rows."""
    return rows[0, index], rows[1, index], rows[2, index], rows[3, index]


@njit(forceinline=True, fastmath=FAST, error_model="numpy")
def store_column(rows: Any, index: int, numbers: Any) -> None:
    """Into one column of L rows."""
    rows[0, index], rows[1, index], rows[2, index], rows[3, index] = numbers


@njit(forceinline=True, fastmath=FAST, error_model="numpy")
def tile(rows: Any, first: int) -> Any:
    """Four columns of L rows, as scalars, so that nothing a loop stores can be mistaken for them."""
    return column(rows, first), column(rows, first + 1), column(rows, first + 2), column(rows, first + 3)


@njit(forceinline=True, fastmath=FAST, error_model="numpy")
def dot(a: Any, b: Any) -> Any:
    """Of four numbers each."""
    return a[0] * b[0] + a[1] * b[1] + a[2] * b[2] + a[3] * b[3]


@njit(forceinline=True, fastmath=FAST, error_model="numpy")
def plus(a: Any, b: Any) -> Any:
    """Of four numbers each."""
    return a[0] + b[0], a[1] + b[1], a[2] + b[2], a[3] + b[3]


@njit(forceinline=True, fastmath=FAST, error_model="numpy")
def times(number: Any, a: Any) -> Any:
    """Four numbers."""
    return number * a[0], number * a[1], number * a[2], number * a[3]


@njit(forceinline=True, fastmath=FAST, error_model="numpy", pipeline_class=DistinctCompiler)
def affine(weight_IJ: Any, bias_J: Any, x_LI: Any, y_LJ: Any, is_rectified: bool) -> None:
    """y = x W + b of L rows, or max(0, y); I is a multiple of 4."""
    num_inputs, num_outputs = weight_IJ.shape
    for first in range(0, num_inputs, 4):
        x = tile(x_LI, first)
        for j in range(num_outputs):
            for lane in range(LANES):
                z = bias_J[j] if first == 0 else y_LJ[lane, j]
                for i in range(4):
                    z += weight_IJ[first + i, j] * x[i][lane]
                y_LJ[lane, j] = max(z, ZERO) if is_rectified and first + 4 >= num_inputs else z


@njit(forceinline=True, fastmath=FAST, error_model="numpy")
def add_outer(gradient_IJ: Any, first: int, j: int, d: Any, x: Any) -> None:
    """dW = sum_l x_l d_l^T for inputs first to first + 3 and one output, d its derivatives in the L rows."""
    for i in range(4):
        gradient_IJ[first + i, j] += dot(d, x[i])


P = tuple(map(np.float32, (1.0, 0.1338102817535, 0.003495591692626, 2.060913902382e-05, 1.335473331920e-08)))
Q = tuple(map(np.float32, (1.0, 0.4671434462070, 0.02587699517607, 3.285640559625e-04, 7.776588972774e-07)))
FLAT_FROM = np.float32(9)


@njit(forceinline=True, fastmath=FAST, error_model="numpy")
def tanh(x: Any) -> Any:
    """x P(x^2) / Q(x^2), to 4e-7 of tanh(x), which loops over many x can be vectorised with.

    The coefficients are a fit of this code's authors: least squares of the relative error on [0, 9], weighted
    anew until all its peaks were equal. Beyond 9 float32 knows nothing between tanh and 1.
    """
    # Comparisons that let a NaN pass.
    x = FLAT_FROM if x > FLAT_FROM else x
    x = -FLAT_FROM if x < -FLAT_FROM else x
    u = x * x
    p = (((P[4] * u + P[3]) * u + P[2]) * u + P[1]) * u + P[0]
    q = (((Q[4] * u + Q[3]) * u + Q[2]) * u + Q[1]) * u + Q[0]
    return x * p / q
