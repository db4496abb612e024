"""The network's forward and backward pass, on plain memory, four rows at a time.

Shapes: D observation size, P padded observation size, A actions, K padded heads, H hidden size, L lanes.
P is D rounded up to a multiple of 4, K is A rounded up to a multiple of 2, L is 4.

A lane is a row on its way through the network; L of them go in lockstep, so that each weight is loaded
once for four rows. Arrays live in records, whose shapes are part of their type: the compiler sees
constants, unrolls the loops over lanes and inputs, and vectorises those over H. Heads go in pairs, so that
the hidden layer is loaded once for two. Padding is zero, and so are its weights.

The softmax does not change when one logit is taken off all of them. So the kernels know A heads, not
A + 1: the first A - 1 logits less the last one, then the value. At D = 4 and A = 2 that spares 3 of 17
products for a hidden unit: D + 1 + A forward, D + 2 (1 + A) backward. The last logit's gradient is minus
the sum of the others.

All is float32; the compiler may reassociate sums, in every process alike.
"""

from typing import Any

import numpy as np
from numba import njit

LANES = 4

FAST = {"contract", "reassoc", "arcp", "nsz"}
"""Fast arithmetic that still knows NaN and infinity, which full fastmath would compile away."""

MIN_BLOCK, MAX_BLOCKS = 64, 64
"""Environments are dealt to blocks of at most 64, which lets 256 of them be shared out, or, beyond 4,096 of
them, to 64 blocks, whose gradients then cost next to nothing."""

ZERO = np.float32(0)


def _padded(size: int, multiple: int) -> int:
    return -(-size // multiple) * multiple


def _layers_dtype(obs_size: int, num_heads: int, hidden_size: int) -> "np.dtype[Any]":
    return np.dtype(
        [
            ("fc1_weight", np.float32, (_padded(obs_size, 4), hidden_size)),
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

    obs (2, L, P), hidden (2, L, H), heads (2, L, K): of two steps, the present and the next one.
    d_heads (L, K), d_hidden (L, H): the loss's derivatives. heads_weight (K, H), heads_bias (K,): as
    the kernels know the heads. gradient: summed over rows, with K heads. Large arrays come first: in the
    first record, and with H a multiple of 16, they start at cache lines.
    """
    num_heads = _padded(num_actions, 2)
    heads, hidden = (LANES, num_heads), (LANES, hidden_size)
    return np.dtype(
        [
            ("heads_weight", np.float32, (num_heads, hidden_size)),
            ("hidden", np.float32, (2, *hidden)),
            ("d_hidden", np.float32, hidden),
            ("gradient", _layers_dtype(obs_size, num_heads, hidden_size)),
            ("heads_bias", np.float32, (num_heads,)),
            ("obs", np.float32, (2, LANES, _padded(obs_size, 4))),
            ("heads", np.float32, (2, *heads)),
            ("probability", np.float32, (LANES, num_actions)),
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
    last = parameters.heads_bias.size - 2
    hidden_size = parameters.fc1_bias.size
    for a in range(last):
        work.heads_bias[a] = parameters.heads_bias[a] - parameters.heads_bias[last]
        for j in range(hidden_size):
            work.heads_weight[a, j] = parameters.heads_weight[a, j] - parameters.heads_weight[last, j]
    work.heads_bias[last] = parameters.heads_bias[last + 1]
    for j in range(hidden_size):
        work.heads_weight[last, j] = parameters.heads_weight[last + 1, j]


@njit
def clear(layers: Any) -> None:
    """Make every weight and bias zero."""
    for d in range(layers.fc1_weight.shape[0]):
        layers.fc1_weight[d] = ZERO
    layers.fc1_bias[:] = ZERO
    for a in range(layers.heads_bias.size):
        layers.heads_weight[a] = ZERO
    layers.heads_bias[:] = ZERO


@njit(fastmath=FAST, error_model="numpy")
def forward(parameters: Any, work: Any, step: int) -> None:
    """hidden = max(0, W1 obs + b1) and heads = W hidden + b, for the L rows of `step` (0 or 1)."""
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
    for a in range(0, heads.shape[1], 2):
        y0 = y1 = y2 = y3 = work.heads_bias[a]
        z0 = z1 = z2 = z3 = work.heads_bias[a + 1]
        for j in range(hidden_size):
            w, v = work.heads_weight[a, j], work.heads_weight[a + 1, j]
            h = _column(hidden, j)
            y0, y1, y2, y3 = y0 + w * h[0], y1 + w * h[1], y2 + w * h[2], y3 + w * h[3]
            z0, z1, z2, z3 = z0 + v * h[0], z1 + v * h[1], z2 + v * h[2], z3 + v * h[3]
        heads[0, a], heads[1, a], heads[2, a], heads[3, a] = y0, y1, y2, y3
        heads[0, a + 1], heads[1, a + 1], heads[2, a + 1], heads[3, a + 1] = z0, z1, z2, z3


@njit(fastmath=FAST, error_model="numpy")
def forward_lane(parameters: Any, work: Any, step: int, lane: int) -> None:
    """The same for one row."""
    obs, hidden, heads = work.obs[step, lane], work.hidden[step, lane], work.heads[step, lane]
    weight, bias = parameters.fc1_weight, parameters.fc1_bias
    padded_size, hidden_size = weight.shape
    for first in range(0, padded_size, 4):
        x = obs[first], obs[first + 1], obs[first + 2], obs[first + 3]
        for j in range(hidden_size):
            z = bias[j] if first == 0 else hidden[j]
            z += _dot(x, _column(weight[first:], j))
            hidden[j] = z if first + 4 < padded_size else max(z, ZERO)
    for a in range(heads.size):
        y = work.heads_bias[a]
        for j in range(hidden_size):
            y += work.heads_weight[a, j] * hidden[j]
        heads[a] = y


@njit(inline="always")
def _dot(a: Any, b: Any) -> Any:
    return a[0] * b[0] + a[1] * b[1] + a[2] * b[2] + a[3] * b[3]


@njit(inline="always")
def _plus(a: Any, b: Any) -> Any:
    return a[0] + b[0], a[1] + b[1], a[2] + b[2], a[3] + b[3]


@njit(inline="always")
def _times(number: Any, a: Any) -> Any:
    return number * a[0], number * a[1], number * a[2], number * a[3]


@njit(inline="always")
def _where_positive(h: Any, d: Any) -> Any:
    return (
        d[0] if h[0] > ZERO else ZERO,
        d[1] if h[1] > ZERO else ZERO,
        d[2] if h[2] > ZERO else ZERO,
        d[3] if h[3] > ZERO else ZERO,
    )


@njit(inline="always")
def _add_bias(work: Any, a: Any) -> Any:
    """db of a pair of heads; returns the pair's d_heads."""
    p, q = _column(work.d_heads, a), _column(work.d_heads, a + 1)
    work.gradient.heads_bias[a] += p[0] + p[1] + p[2] + p[3]
    work.gradient.heads_bias[a + 1] += q[0] + q[1] + q[2] + q[3]
    return p, q


@njit(inline="always")
def _add_heads(work: Any, gradient_KH: Any, a: Any, j: Any, d_heads: Any, h: Any) -> Any:
    """dW of a pair of heads for one hidden unit; returns what the pair adds to its d_hidden in the L rows."""
    p, q = d_heads
    w, v = work.heads_weight[a, j], work.heads_weight[a + 1, j]
    gradient_KH[a, j] += _dot(p, h)
    gradient_KH[a + 1, j] += _dot(q, h)
    return _plus(_times(w, p), _times(v, q))


@njit(inline="always")
def _add_inputs(gradient_PH: Any, first: Any, j: Any, d: Any, x: Any) -> None:
    """dW1 of four inputs and one hidden unit."""
    for i in range(4):
        gradient_PH[first + i, j] += _dot(d, x[i])


@njit(inline="always")
def _add_gradient(work: Any, step: Any) -> None:
    obs, hidden, d_hidden, gradient = work.obs[step], work.hidden[step], work.d_hidden, work.gradient
    padded_size, hidden_size = gradient.fc1_weight.shape
    last = work.d_heads.shape[1] - 2
    for a in range(0, last, 2):
        d_heads = _add_bias(work, a)
        for j in range(hidden_size):
            d = _add_heads(work, gradient.heads_weight, a, j, d_heads, _column(hidden, j))
            if a > 0:
                d = _plus(d, _column(d_hidden, j))
            d_hidden[0, j], d_hidden[1, j], d_hidden[2, j], d_hidden[3, j] = d
    d_heads = _add_bias(work, last)
    x = _tile(obs, 0)
    for j in range(hidden_size):
        h = _column(hidden, j)
        d = _add_heads(work, gradient.heads_weight, last, j, d_heads, h)
        if last > 0:
            d = _plus(d, _column(d_hidden, j))
        d = _where_positive(h, d)
        _add_inputs(gradient.fc1_weight, 0, j, d, x)
        gradient.fc1_bias[j] += d[0] + d[1] + d[2] + d[3]
        if padded_size > 4:
            d_hidden[0, j], d_hidden[1, j], d_hidden[2, j], d_hidden[3, j] = d
    for first in range(4, padded_size, 4):
        x = _tile(obs, first)
        for j in range(hidden_size):
            _add_inputs(gradient.fc1_weight, first, j, _column(d_hidden, j), x)


@njit(fastmath=FAST, error_model="numpy")
def backward(work: Any, step: int) -> None:
    """Add the gradient of the L rows of `step`, whose d_heads are known:

    dW = sum_l d_heads_l hidden_l^T     d_hidden = (W^T d_heads) * (hidden > 0)
    dW1 = sum_l d_hidden_l obs_l^T      and the same without obs and hidden for the biases

    The last two heads and the first four inputs share a loop; only if there are more is d_hidden stored.
    """
    # With a constant step the compiler sees that no two arrays overlap.
    if step == 0:
        _add_gradient(work, 0)
    else:
        _add_gradient(work, 1)
