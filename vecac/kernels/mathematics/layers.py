"""What surrounds the passes through a network: taking in new parameters, and the sum of all gradients.

Shapes: H hidden size, M parameters.
"""

from typing import Any

import numpy as np
from numba import njit

from vecac.kernels.mathematics.arithmetic import FAST, ONE, ZERO
from vecac.kernels.mathematics.memory import LANES
from vecac.kernels.plumbing.choosing import where_present


@njit(fastmath=FAST, error_model="numpy")
def _take_in_heads(parameters: Any, net: Any) -> None:
    """The kernels' heads: the weights and biases of an output, less those of the one that it refers to."""
    for k in range(net.head_output.size):
        output, reference = net.head_output[k], net.head_reference[k]
        if output < 0:
            continue
        if reference < 0:
            net.heads_bias[k] = parameters.heads_bias[output]
        else:
            net.heads_bias[k] = parameters.heads_bias[output] - parameters.heads_bias[reference]
        for j in range(net.heads_weight.shape[1]):
            if reference < 0:
                net.heads_weight[k, j] = parameters.heads_weight[output, j]
            else:
                net.heads_weight[k, j] = (
                    parameters.heads_weight[output, j] - parameters.heads_weight[reference, j]
                )


@where_present("hidden2")
def _transpose(parameters: Any, net: Any) -> None:
    for i in range(net.fc2_transposed.shape[1]):
        for j in range(parameters.fc2_weight.shape[1]):
            net.fc2_transposed[j, i] = parameters.fc2_weight[i, j]


@where_present("std", error_model="numpy")
def _take_in_gaussian(parameters: Any, work: Any) -> None:
    for u in range(work.std.size):
        work.log_std[u] = parameters.log_std[u]
        work.std[u] = np.exp(parameters.log_std[u])


@where_present("critic")
def _take_in_critic(parameters: Any, work: Any) -> None:
    _take_in_heads(parameters.critic, work.critic)
    _transpose(parameters.critic, work.critic)


@njit
def take_in(parameters: Any, work: Any) -> None:
    """Work out what the passes through the network need of new parameters."""
    _take_in_heads(parameters, work)
    _transpose(parameters, work)
    _take_in_gaussian(parameters, work)
    _take_in_critic(parameters, work)


@where_present("fc2_weight")
def _clear_second(layers: Any) -> None:
    for i in range(layers.fc2_weight.shape[0]):
        layers.fc2_weight[i] = ZERO
    layers.fc2_bias[:] = ZERO


@where_present("log_std")
def _clear_log_std(layers: Any) -> None:
    layers.log_std[:] = ZERO


@njit
def _clear_layers(layers: Any) -> None:
    for d in range(layers.fc1_weight.shape[0]):
        layers.fc1_weight[d] = ZERO
    layers.fc1_bias[:] = ZERO
    _clear_second(layers)
    for a in range(layers.heads_bias.size):
        layers.heads_weight[a] = ZERO
    layers.heads_bias[:] = ZERO
    _clear_log_std(layers)


@where_present("critic")
def _clear_critic(work: Any) -> None:
    _clear_layers(work.critic.gradient)


@njit
def clear_gradient(work: Any) -> None:
    """Begin a new sum."""
    _clear_layers(work.gradient)
    _clear_critic(work)


@where_present("hidden2")
def _mute_second(step: int, lane: int, net: Any) -> None:
    net.hidden2[step, lane] = ZERO


@njit
def _mute_net(net: Any, step: int, lane: int) -> None:
    net.d_heads[lane] = ZERO
    net.hidden[step, lane] = ZERO  # which may be infinite, and 0 * inf is no number
    _mute_second(step, lane, net)


@where_present("critic")
def _mute_critic(step: int, lane: int, work: Any) -> None:
    _mute_net(work.critic, step, lane)


@njit
def mute(work: Any, step: int, lane: int) -> None:
    """Have a row add nothing to the gradient."""
    _mute_net(work, step, lane)
    _mute_critic(step, lane, work)


@where_present("critic")
def _rest_critic(work: Any) -> None:
    work.critic.d_heads[:] = ZERO


@njit
def rest(work: Any) -> None:
    """Have all rows add nothing until their derivatives are known."""
    work.d_heads[:] = ZERO
    _rest_critic(work)


@njit
def _add(total_H: Any, part_H: Any, sign: Any) -> None:
    for j in range(total_H.size):
        total_H[j] += sign * part_H[j]


@where_present("fc2_weight")
def _add_second(total: Any, part: Any) -> None:
    for i in range(part.fc2_weight.shape[0]):
        _add(total.fc2_weight[i], part.fc2_weight[i], ONE)
    _add(total.fc2_bias, part.fc2_bias, ONE)


@where_present("log_std")
def _add_log_std(total: Any, part: Any) -> None:
    _add(total.log_std, part.log_std, ONE)


@njit
def _add_layers(total: Any, net: Any) -> None:
    part = net.gradient
    for d in range(part.fc1_weight.shape[0]):
        _add(total.fc1_weight[d], part.fc1_weight[d], ONE)
    _add(total.fc1_bias, part.fc1_bias, ONE)
    _add_second(total, part)
    for k in range(net.head_output.size):
        output, reference = net.head_output[k], net.head_reference[k]
        if output < 0:
            continue
        _add(total.heads_weight[output], part.heads_weight[k], ONE)
        total.heads_bias[output] += part.heads_bias[k]
        if reference >= 0:
            _add(total.heads_weight[reference], part.heads_weight[k], -ONE)
            total.heads_bias[reference] -= part.heads_bias[k]
    _add_log_std(total, part)


@where_present("critic")
def _add_critic(total: Any, work: Any) -> None:
    _add_layers(total.critic, work.critic)


@njit
def sum_gradients(works: Any, gradient_M: Any, gradient: Any) -> None:
    """The sum of the works' gradients, in their order, of the network's outputs; gradient_M is its memory."""
    gradient_M[:] = ZERO
    for i in range(works.size):
        _add_layers(gradient, works[i])
        _add_critic(gradient, works[i])


@njit
def block_size(num_envs: int, blocks: int) -> int:
    """Environments of each block but the last ones, whole groups of L."""
    return -(-num_envs // (blocks * LANES)) * LANES
