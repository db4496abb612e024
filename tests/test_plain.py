import io

import numpy as np
import pytest
import torch

from vecac.plain import fill, to_arrays, to_tensors

VALUE = {
    "numbers": [1, 2.5, -(2**100), True, None],
    "text": ("a", b"bytes"),
    "arrays": {0: np.arange(6, dtype=np.uint64).reshape(2, 3), 1: np.zeros((0, 2), np.float32)},
    "strided": np.arange(12.0).reshape(3, 4)[::-2, 1::2],
    "scalar": np.float32(0.1),
}


def test_arrays_come_back_as_they_were_through_a_file_of_tensors():
    file = io.BytesIO()
    torch.save(to_tensors(VALUE), file)
    file.seek(0)
    back = to_arrays(torch.load(file, weights_only=True))
    assert repr(back) == repr(VALUE)
    assert back["arrays"][0].dtype == np.uint64
    assert type(back["scalar"]) is np.float32


def test_what_to_tensors_gives_shares_no_memory():
    array = np.zeros(3)
    tensor = to_tensors([array])[0]
    array[:] = 1
    assert tensor.tolist() == [0, 0, 0]


def test_records_become_bytes_and_are_filled_in_again():
    records = np.array([(1, 0.5), (2, -0.5)], dtype=[("count", np.int64), ("mean", np.float64)])
    copy = np.zeros_like(records)
    fill(copy, to_tensors(records))
    assert copy.tolist() == records.tolist()


@pytest.mark.parametrize("wrong", [torch.zeros(1), torch.zeros(3, 1), torch.zeros(3, dtype=torch.float64)])
def test_fill_neither_broadcasts_nor_converts(wrong):
    with pytest.raises(ValueError, match="belongs"):
        fill(np.ones(3, np.float32), wrong)
