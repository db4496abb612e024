"""The sum of the blocks' gradients; what the passes need of it is in test_mlp.py."""

import numpy as np
import pytest
from kernel_support import FORMS, plain_form

from vecac.actions import ActionForm
from vecac.kernels.mathematics.layers import sum_gradients, take_in
from vecac.kernels.mathematics.memory import NetworkForm, describe_heads, parameters_dtype, workspace_dtype


def fill(record, number):
    """Every array of a record and of the records in it."""
    for name in record.dtype.names:
        if record[name].dtype.names:
            fill(record[name], number)
        else:
            record[name][...] = number


def summed(form):
    """Of three blocks, whose gradients are 1, 10 and 100."""
    works, total = np.zeros(3, workspace_dtype(form)), np.zeros(1, parameters_dtype(form))
    describe_heads(form, works)
    for i in range(3):
        fill(works[i : i + 1]["gradient"], 10.0**i)
        if form.separate_critic:
            fill(works[i : i + 1]["critic"]["gradient"], 10.0**i)
    sum_gradients(works, total.view(np.float32), total[0])
    return total


def test_gradients_of_all_blocks_are_summed():
    total = summed(plain_form(4, 3, 8))
    assert (total["fc1_weight"] == 111).all()
    assert (total["fc1_bias"] == 111).all()
    assert total["heads_bias"][0].tolist() == [111, 111, -222, 111]
    assert total["heads_weight"][0][:, 5].tolist() == [111, 111, -222, 111]


@pytest.mark.parametrize("form", FORMS, ids=str)
def test_so_are_those_of_other_networks(form):
    total = summed(form)
    outputs = total["heads_bias"][0].tolist()
    for part in (total, total["critic"]) if form.separate_critic else (total,):
        names = [name for name in part.dtype.names if not name.startswith(("heads", "critic", "rest"))]
        assert all((part[name] == 111).all() for name in names)
    if form.separate_critic:
        assert total["critic"]["heads_bias"].tolist() == [[111]]
    else:
        assert outputs.pop() == 111
    if form.action.kind == "box":
        assert (total["log_std"] == 111).all()
        assert outputs == [111] * form.num_outputs
    elif form.action.kind == "multi-discrete":  # of 2, 1 and 3 options
        assert outputs == [111, -111, 0, 111, 111, -222]


def test_heads_are_differences_of_outputs():
    form = NetworkForm(3, ActionForm("multi-discrete", (2, 3)), (4,), "relu", True)
    parameters, works = np.zeros(1, parameters_dtype(form)), np.zeros(1, workspace_dtype(form))
    describe_heads(form, works)
    parameters["heads_bias"] = [1, 2, 4, 8, 16]
    parameters["critic"]["heads_bias"] = 32
    parameters["heads_weight"][0][:, 1] = [1, 2, 4, 8, 16]
    take_in(parameters[0], works[0])
    assert works["heads_bias"][0].tolist() == [-1, -12, -8, 0]
    assert works["heads_weight"][0][:, 1].tolist() == [-1, -12, -8, 0]
    assert works["critic"]["heads_bias"][0].tolist() == [32, 0]
