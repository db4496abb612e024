"""The network's forward and backward pass, on plain memory, four rows at a time; see memory.py.

Shapes: D observation size, P padded observation size, K padded heads, H hidden size, L lanes.

Heads go in pairs, so that the hidden layer is loaded once for two. With one hidden layer and A actions that
makes D + A products for a hidden unit forward, and D + 2 A backward.
"""

from typing import Any

from numba import njit

from vecac.kernels.mathematics.arithmetic import (
    FAST,
    ONE,
    ZERO,
    add_outer,
    affine,
    column,
    dot,
    plus,
    store_column,
    tanh,
    tile,
    times,
)
from vecac.kernels.mathematics.memory import LANES
from vecac.kernels.plumbing.choosing import chosen_by_type, has, where_present
from vecac.kernels.plumbing.numba_internals import DistinctCompiler

COMPILED = {"fastmath": FAST, "error_model": "numpy"}


@njit(forceinline=True, fastmath=FAST, error_model="numpy")
def _heads_forward(net: Any, hidden: Any, heads: Any) -> None:
    for a in range(0, heads.shape[1], 2):
        y0 = y1 = y2 = y3 = net.heads_bias[a]
        z0 = z1 = z2 = z3 = net.heads_bias[a + 1]
        for j in range(net.heads_weight.shape[1]):
            w, v = net.heads_weight[a, j], net.heads_weight[a + 1, j]
            h = column(hidden, j)
            y0, y1, y2, y3 = y0 + w * h[0], y1 + w * h[1], y2 + w * h[2], y3 + w * h[3]
            z0, z1, z2, z3 = z0 + v * h[0], z1 + v * h[1], z2 + v * h[2], z3 + v * h[3]
        heads[0, a], heads[1, a], heads[2, a], heads[3, a] = y0, y1, y2, y3
        heads[0, a + 1], heads[1, a + 1], heads[2, a + 1], heads[3, a + 1] = z0, z1, z2, z3


@njit(forceinline=True, fastmath=FAST, error_model="numpy")
def _tanh_rows(rows: Any, size: int) -> None:
    for lane in range(LANES):
        for j in range(size):
            rows[lane, j] = tanh(rows[lane, j])


@chosen_by_type(**COMPILED)
def _forward_net(parameters: Any, net: Any, obs: Any, step: Any) -> Any:
    is_rectified, is_deep = not has(net, "tanh"), has(net, "hidden2")

    def of_one_layer(parameters: Any, net: Any, obs: Any, step: int) -> None:
        hidden = net.hidden[step]
        affine(parameters.fc1_weight, parameters.fc1_bias, obs[step], hidden, is_rectified)
        if not is_rectified:
            _tanh_rows(hidden, parameters.fc1_bias.size)
        _heads_forward(net, hidden, net.heads[step])

    def of_two_layers(parameters: Any, net: Any, obs: Any, step: int) -> None:
        hidden, hidden2 = net.hidden[step], net.hidden2[step]
        affine(parameters.fc1_weight, parameters.fc1_bias, obs[step], hidden, is_rectified)
        if not is_rectified:
            _tanh_rows(hidden, parameters.fc1_bias.size)
        affine(parameters.fc2_weight, parameters.fc2_bias, hidden, hidden2, is_rectified)
        if not is_rectified:
            _tanh_rows(hidden2, parameters.fc2_bias.size)
        _heads_forward(net, hidden2, net.heads[step])

    return of_two_layers if is_deep else of_one_layer


@where_present("critic")
def _forward_critic(parameters: Any, step: int, work: Any) -> None:
    _forward_net(parameters.critic, work.critic, work.obs, step)


@njit(fastmath=FAST, error_model="numpy")
def forward(parameters: Any, work: Any, step: int) -> None:
    """hidden = f(W1 obs + b1), hidden2 = f(W2 hidden + b2) and heads = W hidden + b, for the L rows of `step`
    (0 or 1), where f is max(0, x) or tanh; of the critic too."""
    _forward_net(parameters, work, work.obs, step)
    _forward_critic(parameters, step, work)


@njit
def forward_policy(parameters: Any, work: Any, step: int) -> None:
    """As much of `forward` as acting needs."""
    _forward_net(parameters, work, work.obs, step)


@chosen_by_type()
def forward_value(parameters: Any, work: Any, step: Any) -> Any:
    """As much of `forward` as V(s) needs."""
    if has(work, "critic"):
        return lambda parameters, work, step: _forward_net(parameters.critic, work.critic, work.obs, step)
    return lambda parameters, work, step: _forward_net(parameters, work, work.obs, step)


@chosen_by_type(**COMPILED)
def forward_lane(parameters: Any, work: Any, step: Any, lane: Any) -> Any:
    """`forward` for one row at least."""

    def of_one_layer(parameters: Any, work: Any, step: int, lane: int) -> None:
        obs, hidden, heads = work.obs[step, lane], work.hidden[step, lane], work.heads[step, lane]
        weight, bias = parameters.fc1_weight, parameters.fc1_bias
        padded_size, hidden_size = weight.shape
        for first in range(0, padded_size, 4):
            x = obs[first], obs[first + 1], obs[first + 2], obs[first + 3]
            for j in range(hidden_size):
                z = bias[j] if first == 0 else hidden[j]
                z += dot(x, column(weight[first:], j))
                hidden[j] = z if first + 4 < padded_size else max(z, ZERO)
        for a in range(heads.size):
            y = work.heads_bias[a]
            for j in range(hidden_size):
                y += work.heads_weight[a, j] * hidden[j]
            heads[a] = y

    def of_all_rows(parameters: Any, work: Any, step: int, lane: int) -> None:
        forward(parameters, work, step)

    is_plain = not (has(work, "hidden2") or has(work, "tanh") or has(work, "critic"))
    return of_one_layer if is_plain else of_all_rows


@chosen_by_type(forceinline=True, **COMPILED)
def _through(net: Any, h: Any, d: Any) -> Any:
    """d times the derivative of what led to h, in four rows."""

    def of_relu(net: Any, h: Any, d: Any) -> Any:
        return (
            d[0] if h[0] > ZERO else ZERO,
            d[1] if h[1] > ZERO else ZERO,
            d[2] if h[2] > ZERO else ZERO,
            d[3] if h[3] > ZERO else ZERO,
        )

    def of_tanh(net: Any, h: Any, d: Any) -> Any:
        return (
            d[0] * (ONE - h[0] * h[0]),
            d[1] * (ONE - h[1] * h[1]),
            d[2] * (ONE - h[2] * h[2]),
            d[3] * (ONE - h[3] * h[3]),
        )

    return of_tanh if has(net, "tanh") else of_relu


@njit(forceinline=True, fastmath=FAST, error_model="numpy")
def _add_bias(net: Any, a: Any) -> Any:
    """db of a pair of heads; returns the pair's d_heads."""
    p, q = column(net.d_heads, a), column(net.d_heads, a + 1)
    net.gradient.heads_bias[a] += p[0] + p[1] + p[2] + p[3]
    net.gradient.heads_bias[a + 1] += q[0] + q[1] + q[2] + q[3]
    return p, q


@njit(forceinline=True, fastmath=FAST, error_model="numpy")
def _add_heads(net: Any, gradient_KH: Any, a: Any, j: Any, d_heads: Any, h: Any) -> Any:
    """dW of a pair of heads for one hidden unit; returns what the pair adds to its d_hidden in the L rows."""
    p, q = d_heads
    w, v = net.heads_weight[a, j], net.heads_weight[a + 1, j]
    gradient_KH[a, j] += dot(p, h)
    gradient_KH[a + 1, j] += dot(q, h)
    return plus(times(w, p), times(v, q))


@njit(forceinline=True, fastmath=FAST, error_model="numpy")
def _add_heads_but_the_last(net: Any, hidden: Any, d_hidden: Any) -> Any:
    last = net.d_heads.shape[1] - 2
    for a in range(0, last, 2):
        d_heads = _add_bias(net, a)
        for j in range(net.heads_weight.shape[1]):
            d = _add_heads(net, net.gradient.heads_weight, a, j, d_heads, column(hidden, j))
            if a > 0:
                d = plus(d, column(d_hidden, j))
            d_hidden[0, j], d_hidden[1, j], d_hidden[2, j], d_hidden[3, j] = d
    return last


@njit(forceinline=True, fastmath=FAST, error_model="numpy", pipeline_class=DistinctCompiler)
def _add_inputs(gradient_IJ: Any, begin: int, x_LI: Any, d_LJ: Any) -> None:
    """dW of a layer for inputs from `begin` on."""
    for first in range(begin, gradient_IJ.shape[0], 4):
        x = tile(x_LI, first)
        for j in range(gradient_IJ.shape[1]):
            add_outer(gradient_IJ, first, j, column(d_LJ, j), x)


@njit(forceinline=True, fastmath=FAST, error_model="numpy")
def _backward_one_layer(net: Any, all_obs: Any, step: Any) -> None:
    """The last two heads and the first four inputs share a loop; only for more of them is d_hidden stored."""
    obs, hidden, d_hidden, gradient = all_obs[step], net.hidden[step], net.d_hidden, net.gradient
    padded_size, hidden_size = gradient.fc1_weight.shape
    last = _add_heads_but_the_last(net, hidden, d_hidden)
    d_heads = _add_bias(net, last)
    x = tile(obs, 0)
    for j in range(hidden_size):
        h = column(hidden, j)
        d = _add_heads(net, gradient.heads_weight, last, j, d_heads, h)
        if last > 0:
            d = plus(d, column(d_hidden, j))
        d = _through(net, h, d)
        add_outer(gradient.fc1_weight, 0, j, d, x)
        gradient.fc1_bias[j] += d[0] + d[1] + d[2] + d[3]
        if padded_size > 4:
            d_hidden[0, j], d_hidden[1, j], d_hidden[2, j], d_hidden[3, j] = d
    _add_inputs(gradient.fc1_weight, 4, obs, d_hidden)


@njit(forceinline=True, fastmath=FAST, error_model="numpy")
def _backward_two_layers(net: Any, all_obs: Any, step: Any) -> None:
    obs, hidden, hidden2, gradient = all_obs[step], net.hidden[step], net.hidden2[step], net.gradient
    d_hidden, d_hidden2 = net.d_hidden, net.d_hidden2
    last = _add_heads_but_the_last(net, hidden2, d_hidden2)
    d_heads = _add_bias(net, last)
    for j in range(gradient.fc2_bias.size):
        h = column(hidden2, j)
        d = _add_heads(net, gradient.heads_weight, last, j, d_heads, h)
        if last > 0:
            d = plus(d, column(d_hidden2, j))
        d = _through(net, h, d)
        gradient.fc2_bias[j] += d[0] + d[1] + d[2] + d[3]
        store_column(d_hidden2, j, d)
    _add_inputs(gradient.fc2_weight, 0, hidden, d_hidden2)
    affine(net.fc2_transposed, net.no_bias, d_hidden2, d_hidden, False)
    for j in range(gradient.fc1_bias.size):
        d = _through(net, column(hidden, j), column(d_hidden, j))
        gradient.fc1_bias[j] += d[0] + d[1] + d[2] + d[3]
        store_column(d_hidden, j, d)
    _add_inputs(gradient.fc1_weight, 0, obs, d_hidden)


@chosen_by_type(**COMPILED)
def _backward_net(net: Any, obs: Any, step: Any) -> Any:
    backward_layers = _backward_two_layers if has(net, "hidden2") else _backward_one_layer

    def of_a_net(net: Any, obs: Any, step: int) -> None:
        # With a constant step the compiler sees that no two arrays overlap.
        if step == 0:
            backward_layers(net, obs, 0)
        else:
            backward_layers(net, obs, 1)

    return of_a_net


@where_present("critic")
def _backward_critic(step: int, work: Any) -> None:
    _backward_net(work.critic, work.obs, step)


@njit(fastmath=FAST, error_model="numpy")
def backward(work: Any, step: int) -> None:
    """Add the gradient of the L rows of `step`, whose d_heads are known, with f the activation:

    dW = sum_l d_heads_l hidden_l^T       d_hidden = (W^T d_heads) * f'(hidden)
    dW1 = sum_l d_hidden_l obs_l^T        and the same without obs and hidden for the biases,

    one layer after the other where there are two; of the critic too.
    """
    _backward_net(work, work.obs, step)
    _backward_critic(step, work)
