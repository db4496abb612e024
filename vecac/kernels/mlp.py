"""The network's forward and backward pass and Adam's step, on plain memory, four rows at a time.

Shapes: D observation size, P = D rounded up to a multiple of 4, A actions, H hidden size, L = 4 lanes.

A lane is a row on its way through the network; L of them go in lockstep, so that each weight is loaded
once for four rows. Arrays live in records, whose shapes are part of their type: the compiler sees
constants, unrolls the loops over lanes and inputs, and vectorises those over H. Padded inputs meet
rows of zero weights.

The softmax does not change when one logit is taken off all of them. So the kernels know A heads, not
A + 1: the first A - 1 logits less the last one, then the value. That spares a ninth of the products at
A = 2, and the last logit's gradient is minus the sum of the others.

All is float32. Lanes are summed in the order ((0 + 1) + 2) + 3; sums over H are reassociated.
"""

import math
from typing import Any

import numpy as np
from numba import njit

LANES = 4

FAST = {"contract", "reassoc", "arcp", "nsz"}
"""Fast arithmetic that still knows NaN and infinity, which full fastmath would compile away."""

BETA1, BETA2, EPSILON = 0.9, 0.999, 1e-8
"""torch's defaults for Adam."""

MIN_BLOCK, MAX_BLOCKS = 64, 64
"""Environments are dealt to blocks of 64, which lets 256 of them be shared out, or, beyond 4,096 of them,
to 64 blocks, whose gradients then cost next to nothing."""

ZERO = np.float32(0)

TINY = np.float32(1e-36)
"""Moments below this become zero: those of a dead unit would otherwise shrink to denormal numbers, stay
there, and slow Adam down four times."""


def _padded(obs_size: int) -> int:
    return -(-obs_size // LANES) * LANES


def _layers_dtype(obs_size: int, num_heads: int, hidden_size: int) -> "np.dtype[Any]":
    return np.dtype(
        [
            ("fc1_weight", np.float32, (_padded(obs_size), hidden_size)),
            ("fc1_bias", np.float32, (hidden_size,)),
            ("heads_weight", np.float32, (num_heads, hidden_size)),
            ("heads_bias", np.float32, (num_heads,)),
        ],
        align=True,
    )


def parameters_dtype(obs_size: int, num_actions: int, hidden_size: int) -> "np.dtype[Any]":
    """The network: fc1_weight (P, H), torch's transposed; heads_weight (A + 1, H), the A logits, then
    the value; fc1_bias (H,) and heads_bias (A + 1,).
    """
    return _layers_dtype(obs_size, num_actions + 1, hidden_size)


def workspace_dtype(obs_size: int, num_actions: int, hidden_size: int) -> "np.dtype[Any]":
    """What one thread needs to work on four rows, and the gradient it sums up meanwhile.

    obs (2, L, P), hidden (2, L, H), heads (2, L, A): of two steps, the present and the next one.
    d_heads (L, A), d_hidden (L, H): the loss's derivatives. heads_weight (A, H), heads_bias (A,): as
    the kernels know the heads. gradient: summed over rows, with A heads. Large arrays come first, and
    so start at cache lines.
    """
    heads, hidden = (LANES, num_actions), (LANES, hidden_size)
    return np.dtype(
        [
            ("heads_weight", np.float32, (num_actions, hidden_size)),
            ("hidden", np.float32, (2, *hidden)),
            ("d_hidden", np.float32, hidden),
            ("gradient", _layers_dtype(obs_size, num_actions, hidden_size)),
            ("heads_bias", np.float32, (num_actions,)),
            ("obs", np.float32, (2, LANES, _padded(obs_size))),
            ("heads", np.float32, (2, *heads)),
            ("probability", np.float32, heads),
            ("log_normaliser", np.float32, (LANES,)),
            ("d_heads", np.float32, heads),
            ("action", np.int64, (LANES,)),
            ("reward", np.float32, (LANES,)),
            ("terminated", np.uint8, (LANES,)),
            ("final_value", np.float32, (LANES,)),
        ],
        align=True,
    )


def num_blocks(num_envs: int) -> int:
    """Blocks that N environments are dealt to, whatever the number of threads."""
    return min(MAX_BLOCKS, -(-num_envs // MIN_BLOCK))


@njit
def block_size(num_envs: int, blocks: int) -> int:
    """Environments of each block but the last ones, whole groups of L."""
    return -(-num_envs // (blocks * LANES)) * LANES


@njit(inline="always")
def _column(rows: Any, index: int) -> Any:
    return rows[0, index], rows[1, index], rows[2, index], rows[3, index]


@njit(inline="always")
def _tile(rows: Any, first: int) -> Any:
    """Four columns of L rows, as scalars, so that nothing the loop stores can be mistaken for them."""
    return _column(rows, first), _column(rows, first + 1), _column(rows, first + 2), _column(rows, first + 3)


@njit(fastmath=FAST, error_model="numpy")
def difference_heads(parameters: Any, work: Any) -> None:
    """Work out the kernels' heads: W_a - W_{A-1} and b_a - b_{A-1} for a < A - 1, then the value's."""
    last = work.heads_bias.size - 1
    hidden_size = parameters.fc1_bias.size
    for a in range(last):
        work.heads_bias[a] = parameters.heads_bias[a] - parameters.heads_bias[last]
        for j in range(hidden_size):
            work.heads_weight[a, j] = parameters.heads_weight[a, j] - parameters.heads_weight[last, j]
    work.heads_bias[last] = parameters.heads_bias[last + 1]
    for j in range(hidden_size):
        work.heads_weight[last, j] = parameters.heads_weight[last + 1, j]


@njit
def _clear(layers: Any) -> None:
    for d in range(layers.fc1_weight.shape[0]):
        layers.fc1_weight[d] = ZERO
    layers.fc1_bias[:] = ZERO
    for a in range(layers.heads_bias.size):
        layers.heads_weight[a] = ZERO
    layers.heads_bias[:] = ZERO


@njit
def clear_gradient(work: Any) -> None:
    """Start a sum of gradients."""
    _clear(work.gradient)


@njit(fastmath=FAST, error_model="numpy")
def forward(parameters: Any, work: Any, step: int) -> None:
    """hidden = max(0, W1 obs + b1) and heads = W hidden + b, for the L rows of `step` (0 or 1).

    Inputs are summed in blocks of four, in order.
    """
    obs, hidden, heads = work.obs[step], work.hidden[step], work.heads[step]
    weight, bias = parameters.fc1_weight, parameters.fc1_bias
    padded_size, hidden_size = weight.shape
    for first in range(0, padded_size, 4):
        x = _tile(obs, first)
        for j in range(hidden_size):
            for lane in range(LANES):
                z = bias[j] if first == 0 else hidden[lane, j]
                for i in range(4):
                    z += weight[first + i, j] * x[i][lane]
                hidden[lane, j] = z if first + 4 < padded_size else max(z, ZERO)
    for a in range(heads.shape[1]):
        y0 = y1 = y2 = y3 = work.heads_bias[a]
        for j in range(hidden_size):
            w = work.heads_weight[a, j]
            y0 += w * hidden[0, j]
            y1 += w * hidden[1, j]
            y2 += w * hidden[2, j]
            y3 += w * hidden[3, j]
        heads[0, a], heads[1, a], heads[2, a], heads[3, a] = y0, y1, y2, y3


@njit(fastmath=FAST, error_model="numpy")
def backward(work: Any, step: int) -> None:
    """Add the gradient of the L rows of `step`, whose d_heads are known:

    dW = sum_l d_heads_l hidden_l^T     d_hidden = (W^T d_heads) * (hidden > 0)
    dW1 = sum_l d_hidden_l obs_l^T      and the same without obs and hidden for the biases
    """
    obs, hidden, d_heads, d_hidden = work.obs[step], work.hidden[step], work.d_heads, work.d_hidden
    gradient = work.gradient
    padded_size, hidden_size = gradient.fc1_weight.shape
    num_heads = d_heads.shape[1]
    for a in range(num_heads):
        d_head = _column(d_heads, a)
        gradient.heads_bias[a] += d_head[0] + d_head[1] + d_head[2] + d_head[3]
        for j in range(hidden_size):
            product = ZERO
            for lane in range(LANES):
                h = hidden[lane, j]
                product += d_head[lane] * h
                d = d_head[lane] * work.heads_weight[a, j]
                if a > 0:
                    d += d_hidden[lane, j]
                if a == num_heads - 1:
                    d = d if h > ZERO else ZERO
                d_hidden[lane, j] = d
            gradient.heads_weight[a, j] += product
    for first in range(0, padded_size, 4):
        x = _tile(obs, first)
        for j in range(hidden_size):
            d0, d1, d2, d3 = d_hidden[0, j], d_hidden[1, j], d_hidden[2, j], d_hidden[3, j]
            for i in range(4):
                gradient.fc1_weight[first + i, j] += d0 * x[i][0] + d1 * x[i][1] + d2 * x[i][2] + d3 * x[i][3]
            if first == 0:
                gradient.fc1_bias[j] += d0 + d1 + d2 + d3


@njit
def _add(total_H: Any, part_H: Any, sign: Any) -> None:
    for j in range(total_H.size):
        total_H[j] += sign * part_H[j]


@njit
def sum_gradients(works: Any, gradient: Any) -> None:
    """The sum of the works' gradients, in their order, for all A + 1 heads."""
    _clear(gradient)
    one = np.float32(1)
    last = gradient.heads_bias.size - 2  # the last logit
    for i in range(works.size):
        part = works[i].gradient
        for d in range(part.fc1_weight.shape[0]):
            _add(gradient.fc1_weight[d], part.fc1_weight[d], one)
        _add(gradient.fc1_bias, part.fc1_bias, one)
        for a in range(last):
            _add(gradient.heads_weight[a], part.heads_weight[a], one)
            _add(gradient.heads_weight[last], part.heads_weight[a], -one)
            gradient.heads_bias[a] += part.heads_bias[a]
            gradient.heads_bias[last] -= part.heads_bias[a]
        _add(gradient.heads_weight[last + 1], part.heads_weight[last], one)
        gradient.heads_bias[last + 1] += part.heads_bias[last]


@njit(fastmath=FAST, error_model="numpy")
def scale_and_clip(gradient: Any, scale: float, max_norm: float) -> float:
    """Multiply the gradient (n,) by scale, then by min(1, max_norm / norm); returns the norm between.

    The small number is that of torch's clip_grad_norm_.
    """
    squares = ZERO
    for i in range(gradient.size):
        squares += gradient[i] * gradient[i]
    norm = scale * math.sqrt(squares)
    factor = np.float32(scale * min(1.0, max_norm / (norm + 1e-6)))
    for i in range(gradient.size):
        gradient[i] *= factor
    return norm


@njit(fastmath=FAST, error_model="numpy")
def adam(
    parameters: Any, gradient: Any, mean: Any, square: Any, learning_rate: float, num_updates: int
) -> None:
    """Update number num_updates (from 1), on flat arrays (n,) (Kingma & Ba 2015, algorithm 1):

    m = beta1 m + (1 - beta1) g       v = beta2 v + (1 - beta2) g^2
    p = p - lr / (1 - beta1^t) * m / (sqrt(v / (1 - beta2^t)) + epsilon)
    """
    beta1, beta2, epsilon = np.float32(BETA1), np.float32(BETA2), np.float32(EPSILON)
    # Not one - beta: in float32 that is wrong in the fifth digit for beta2.
    rest1, rest2 = np.float32(1 - BETA1), np.float32(1 - BETA2)
    step_size = np.float32(learning_rate / (1 - BETA1**num_updates))
    correction = np.float32(1 / math.sqrt(1 - BETA2**num_updates))
    for i in range(parameters.size):
        g = gradient[i]
        m = beta1 * mean[i] + rest1 * g
        v = beta2 * square[i] + rest2 * g * g
        m = m if abs(m) > TINY else ZERO
        v = v if v > TINY else ZERO
        parameters[i] -= step_size * m / (math.sqrt(v) * correction + epsilon)
        mean[i], square[i] = m, v
