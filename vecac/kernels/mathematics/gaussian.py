"""A diagonal Gaussian policy: sampling and the derivative of the loss.

Shapes: U numbers of an action; L lanes. Heads are the means; the standard deviations are no state's.
"""

import math
from typing import Any

import numpy as np
from numba import njit

from vecac.kernels.mathematics.arithmetic import FAST, ONE

HALF_LOG_TWO_PI = np.float32(0.5 * math.log(2 * math.pi))
HALF = np.float32(0.5)


@njit(fastmath=FAST, error_model="numpy")
def differentiate_gaussian(work: Any, step: int, lane: int, advantage: Any, ent_coef: Any) -> Any:
    """d_heads of one lane, and into the gradient d_log_std, of -log pi(a) * advantage - ent_coef * H:

    log pi(a) = sum_u -z_u^2 / 2 - log std_u - log(2 pi) / 2,   z_u = (a_u - mean_u) / std_u
    H = sum_u log std_u + (1 + log(2 pi)) / 2
    d/dmean_u = -advantage * z_u / std_u
    d/dlog std_u = -advantage * (z_u^2 - 1) - ent_coef

    Returns log pi(a) and H.
    """
    mean, action, d_heads = work.heads[step, lane], work.action[lane], work.d_heads[lane]
    log_probability = entropy = np.float32(0)
    for u in range(work.std.size):
        z = (action[u] - mean[u]) / work.std[u]
        d_heads[u] = -advantage * z / work.std[u]
        work.gradient.log_std[u] -= advantage * (z * z - ONE) + ent_coef
        log_probability -= HALF * z * z + work.log_std[u] + HALF_LOG_TWO_PI
        entropy += work.log_std[u] + HALF + HALF_LOG_TWO_PI
    return log_probability, entropy
