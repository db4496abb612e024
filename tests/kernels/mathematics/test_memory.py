"""The records, and how environments are dealt to blocks."""

import itertools

import numpy as np
import pytest
from learner_support import discrete
from numba import typeof

from vecac.actions import ActionForm
from vecac.kernels.mathematics.layers import block_size
from vecac.kernels.mathematics.memory import (
    ALIGNMENT,
    LANES,
    NetworkForm,
    describe_heads,
    num_blocks,
    parameters_dtype,
    workspace_dtype,
)

ACTIONS = [discrete(1), discrete(3), ActionForm("multi-discrete", (2, 3)), ActionForm("box", (1,))]
FORMS = [
    NetworkForm(3, action, hidden_sizes, activation, separate_critic)
    for action, hidden_sizes, activation, separate_critic in itertools.product(
        ACTIONS, [(8,), (6, 5)], ["relu", "tanh"], [False, True]
    )
]


@pytest.mark.parametrize(
    ("action", "outputs", "references"),
    [
        (discrete(1), [], []),
        (discrete(3), [0, 1], [2, 2]),
        (ActionForm("multi-discrete", (2, 1, 3)), [0, 3, 4], [1, 5, 5]),
        (ActionForm("box", (3,)), [0, 1, 2], [-1, -1, -1]),
    ],
    ids=str,
)
def test_heads_are_outputs_less_the_last_of_their_choice(action, outputs, references):
    form = NetworkForm(3, action, (8,), "relu", False)
    works = np.zeros(2, workspace_dtype(form))
    describe_heads(form, works)
    spare = works["head_output"].shape[1] - len(outputs) - 1
    for work in works:
        assert work["head_output"].tolist() == [*outputs, form.num_outputs, *[-1] * spare]
        assert work["head_reference"].tolist() == [*references, -1, *[-1] * spare]
    form = form._replace(separate_critic=True)
    works = np.zeros(1, workspace_dtype(form))
    describe_heads(form, works)
    assert works["head_output"][0].tolist()[: len(outputs)] == outputs
    assert works["critic"]["head_output"].tolist() == [[0, -1]]


def hidden_arrays(dtype, hidden_size, start=0):
    """The names and places of arrays that are as long as a hidden layer."""
    for name in dtype.names:
        inner, offset = dtype.fields[name][:2]
        if inner.names:
            yield from hidden_arrays(inner, hidden_size, start + offset)
        elif inner.shape and inner.shape[-1] == hidden_size:
            yield name, start + offset


@pytest.mark.parametrize("form", FORMS, ids=str)
def test_what_is_as_long_as_a_hidden_layer_begins_at_a_cache_line_in_every_block(form):
    form = form._replace(hidden_sizes=tuple(16 for _ in form.hidden_sizes))
    assert workspace_dtype(form).itemsize % ALIGNMENT == 0
    for dtype in (parameters_dtype(form), workspace_dtype(form)):
        places = [*hidden_arrays(dtype, 16)]
        assert len(places) >= 3
        assert [(name, place % ALIGNMENT) for name, place in places if place % ALIGNMENT] == []


def records_of(dtype):
    """It and what is in it, as numba has them."""
    inner = [dtype[name] for name in dtype.names if dtype[name].names]
    return {typeof(np.zeros(1, dtype)[0]), *itertools.chain(*map(records_of, inner))}


def test_no_record_begins_as_another_one_is():
    """numba would take the one for the other, whatever kernel in the process was compiled first."""
    dtypes = [make(form) for form in FORMS for make in (parameters_dtype, workspace_dtype)]
    records = set(itertools.chain(*map(records_of, dtypes)))
    assert len(records) > 50
    for one, other in itertools.permutations(records, 2):
        assert one.can_convert_to(None, other) is None


@pytest.mark.parametrize(
    ("num_envs", "blocks", "size"), [(1, 1, 4), (64, 1, 64), (65, 2, 36), (4096, 64, 64), (10**6, 64, 15628)]
)
def test_blocks_depend_on_the_number_of_environments_alone(num_envs, blocks, size):
    assert num_blocks(num_envs) == blocks
    assert block_size(num_envs, blocks) == size
    assert size % LANES == 0
    assert blocks * size >= num_envs
