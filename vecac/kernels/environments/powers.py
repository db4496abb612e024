"""Powers as NumPy computes them."""

import math

import numpy as np
from numba.extending import register_jitable


@register_jitable
def squared(x: float) -> float:
    """x**2 as NumPy has it for a float64: libm's pow, which rounds one in a thousand otherwise than x * x.

    The exponent is one that the compiler does not know: of a constant one it would make x * x.
    """
    exponent = 1.0 if math.isnan(x) else 2.0
    return math.pow(x, exponent)


@register_jitable
def squared_float32(x: np.float32) -> np.float32:
    """The same in float32."""
    exponent = np.float32(1.0) if math.isnan(x) else np.float32(2.0)
    return np.float32(math.pow(x, exponent))
