"""The memory of a network and of the threads that work on it: records, whose shapes are part of their type.

Shapes: D observation size, P padded observation size, O outputs of a policy, K padded heads, H hidden size,
U numbers of an action, L lanes. Two hidden layers may have an H each.

A lane is a row on its way through the network; L of them go in lockstep, so that each weight is loaded once
for four rows. The compiler sees the shapes as constants, unrolls the loops over lanes and inputs, and
vectorises those over hidden units. What is padded is zero, and so are its weights.

What a kernel finds in a record says what it is to compute: a second hidden layer where there is fc2_weight, a
critic of its own where there is `critic`, tanh where there is `tanh`.

The softmax does not change when one logit is taken off all of them. So the kernels know one head less than a
choice has logits, the others less the last one, which spares products. head_output and head_reference tell
which output a head is and which is taken off it, if not -1.
"""

from itertools import accumulate
from typing import Any, NamedTuple

import numpy as np

from vecac.actions import ActionForm

LANES = 4

ALIGNMENT = 64
"""Bytes of a cache line: vector loads that cross one are slow."""

MIN_BLOCK, MAX_BLOCKS = 64, 64
"""Environments are dealt to blocks of at most 64, which lets 256 of them be shared out, or, beyond 4,096 of
them, to 64 blocks, whose gradients then cost next to nothing."""

Fields = list[tuple[Any, ...]]


class NetworkForm(NamedTuple):
    """What the kernels can compute: one or two hidden layers, relu or tanh."""

    obs_size: int
    action: ActionForm
    hidden_sizes: tuple[int, ...]
    activation: str
    separate_critic: bool

    @property
    def num_outputs(self) -> int:
        """O."""
        return sum(self.action.sizes)

    def policy_heads(self) -> list[tuple[int, int]]:
        """head_output and head_reference of each of the policy's heads."""
        if self.action.kind == "box":
            return [(index, -1) for index in range(self.num_outputs)]
        ends = accumulate(self.action.sizes)
        pairs = zip(ends, self.action.sizes, strict=True)
        return [(index, end - 1) for end, size in pairs for index in range(end - size, end - 1)]


def padded(size: int, multiple: int) -> int:
    """The size rounded up to a multiple."""
    return -(-size // multiple) * multiple


def _layers(form: NetworkForm, num_heads: int) -> Fields:
    first, last = form.hidden_sizes[0], form.hidden_sizes[-1]
    fields: Fields = [("fc1_weight", (padded(form.obs_size, 4), first)), ("fc1_bias", (first,))]
    if len(form.hidden_sizes) == 2:
        fields += [("fc2_weight", (padded(first, 4), last)), ("fc2_bias", (last,))]
    fields += [("heads_weight", (num_heads, last)), ("heads_bias", (num_heads,))]
    return [(name, np.float32, shape) for name, shape in fields]


def _record(fields: Fields) -> "np.dtype[Any]":
    """numba takes a record for any other one that it begins with, and would leave out what follows. With an
    end, which takes no room, none begins as another is."""
    return np.dtype([*fields, ("end", np.float32, (0,))], align=True)


def _up_to_a_line(fields: Fields) -> Fields:
    """Fields that fill whole cache lines, so that what comes next begins with one."""
    numbers = -(np.dtype(fields, align=True).itemsize // -4)
    return [*fields, ("rest", np.float32, (-numbers % (ALIGNMENT // 4),))]


def parameters_dtype(form: NetworkForm) -> "np.dtype[Any]":
    """The network: fc1_weight (P, H) and fc2_weight (H padded, H), torch's transposed; heads_weight, the
    policy's outputs, then the value; biases. A critic of its own is such a record too, whose one head is the
    value; log_std (U,) is a Gaussian's.
    """
    if not form.separate_critic:
        return _record([*_layers(form, form.num_outputs + 1), *_log_std(form)])
    own = _up_to_a_line([*_layers(form, form.num_outputs), *_log_std(form)])
    return _record([*own, ("critic", _record(_layers(form, 1)))])


def _log_std(form: NetworkForm) -> Fields:
    return [("log_std", np.float32, (form.num_outputs,))] if form.action.kind == "box" else []


def _large(form: NetworkForm, num_heads: int, is_policy: bool) -> Fields:
    """What is as long as a hidden layer."""
    first, last = form.hidden_sizes[0], form.hidden_sizes[-1]
    if len(form.hidden_sizes) == 1:
        hidden: Fields = [("hidden", np.float32, (2, LANES, first)), ("d_hidden", np.float32, (LANES, first))]
    else:
        hidden = [
            ("hidden", np.float32, (2, LANES, padded(first, 4))),
            ("d_hidden", np.float32, (LANES, first)),
            ("hidden2", np.float32, (2, LANES, last)),
            ("d_hidden2", np.float32, (LANES, padded(last, 4))),
            ("fc2_transposed", np.float32, (padded(last, 4), first)),
            ("no_bias", np.float32, (first,)),
        ]
    weight = ("heads_weight", np.float32, (num_heads, last))
    log_std = _log_std(form) if is_policy else []
    gradient = ("gradient", _record([*_layers(form, num_heads), *log_std]))
    return [weight, *hidden, gradient, ("heads_bias", np.float32, (num_heads,))]


def _small(form: NetworkForm, num_heads: int) -> Fields:
    fields: Fields = [("head_output", np.int64, (num_heads,)), ("head_reference", np.int64, (num_heads,))]
    return [*fields, ("tanh", np.uint8)] if form.activation == "tanh" else fields


def _distribution(form: NetworkForm) -> Fields:
    """What a policy's distribution needs."""
    noise = ("noise", np.float64, (LANES, *form.action.shape))
    if form.action.kind == "box":
        return [noise, ("std", np.float32, (form.num_outputs,)), ("log_std", np.float32, (form.num_outputs,))]
    choices = len(form.action.sizes)
    fields: Fields = [
        ("probability", np.float32, (LANES, form.num_outputs)),
        ("log_normaliser", np.float32, (LANES, choices)),
    ]
    if form.action.kind == "discrete":
        return fields
    return [*fields, noise, ("choice_sizes", np.int64, (choices,))]


def workspace_dtype(form: NetworkForm) -> "np.dtype[Any]":
    """What one thread needs to work on four rows, and the gradient it sums up meanwhile.

    obs (2, L, P), hidden (2, L, H), hidden2 (2, L, H), heads (2, L, K): of two steps, the present and the
    next one. d_heads (L, K), d_hidden (L, H), d_hidden2 (L, H): the loss's derivatives. heads_weight (K,
    H), heads_bias (K,): as the kernels know the heads. gradient: summed over rows, with K heads. critic: all
    of this but obs once more. Large arrays come first: with H a multiple of 16, they start at cache lines.
    """
    num_heads = padded(len(form.policy_heads()) + (not form.separate_critic), 2)
    action = np.float32 if form.action.kind == "box" else np.int64
    fields: Fields = [
        *_large(form, num_heads, True),
        ("obs", np.float32, (2, LANES, padded(form.obs_size, 4))),
        ("heads", np.float32, (2, LANES, num_heads)),
        *_distribution(form),
        ("d_heads", np.float32, (LANES, num_heads)),
        ("action", action, (LANES, *(form.action.shape or (1,)))),
        ("reward", np.float32, (LANES,)),
        ("terminated", np.uint8, (LANES,)),
        ("final_value", np.float32, (LANES,)),
        *_small(form, num_heads),
    ]
    if form.separate_critic:
        heads: Fields = [("heads", np.float32, (2, LANES, 2)), ("d_heads", np.float32, (LANES, 2))]
        critic = _up_to_a_line([*_large(form, 2, False), *heads, *_small(form, 2)])
        return _record([*_up_to_a_line(fields), ("critic", _record(critic))])
    return _record(_up_to_a_line(fields))


def describe_heads(form: NetworkForm, works: Any) -> None:
    """Tell workspaces (blocks,) which outputs their heads are."""
    heads = form.policy_heads()
    parts = [(works, heads if form.separate_critic else [*heads, (form.num_outputs, -1)])]
    if form.separate_critic:
        parts.append((works["critic"], [(0, -1)]))
    for part, pairs in parts:
        part["head_output"], part["head_reference"] = -1, -1
        for index, (output, reference) in enumerate(pairs):
            part["head_output"][:, index], part["head_reference"][:, index] = output, reference
    if form.action.kind == "multi-discrete":
        works["choice_sizes"] = form.action.sizes


def num_blocks(num_envs: int) -> int:
    """Blocks that N environments are dealt to, whatever the number of threads."""
    return min(MAX_BLOCKS, -(-num_envs // MIN_BLOCK))
