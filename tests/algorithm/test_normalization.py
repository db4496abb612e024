import copy

import numpy as np
import pytest
import torch

from vecac.algorithm import normalization
from vecac.algorithm.normalization import ObservationNorm, RunningMoments


def batches(sizes, shape=(3,), seed=0):
    rng = np.random.default_rng(seed)
    # Far from 0, where formulas that subtract squares lose all their digits.
    return [rng.normal(1000.0 * index, 1.0 + index, (size, *shape)) for index, size in enumerate(sizes)]


def merge(moments, rows):
    moments.merge(torch.tensor(rows.mean(axis=0)), torch.tensor(rows.var(axis=0)), len(rows))


def test_on_the_cpu_arrays_are_merged_to_the_bits_that_tensors_are_elsewhere(monkeypatch):
    on_cpu, elsewhere = (ObservationNorm(3, clip=10.0) for _ in range(2))
    rows = batches((7, 40, 1))
    for batch in rows:
        on_cpu.merge(batch.mean(axis=0), batch.var(axis=0), len(batch))
    monkeypatch.setattr(normalization, "_fast", lambda numbers: numbers)
    for batch in rows:
        merge(elsewhere, batch)
    for own, other in zip(on_cpu.buffers(), elsewhere.buffers(), strict=True):
        assert torch.equal(own, other)


@pytest.mark.parametrize("shape", [(), (3,)])
@pytest.mark.parametrize("sizes", [(1,), (5,), (1, 1, 1), (7, 1, 30), (1, 1000)])
def test_merged_batches_have_the_moments_of_all_their_rows(sizes, shape):
    moments, rows = RunningMoments(shape), batches(sizes, shape)
    for batch in rows:
        merge(moments, batch)
    everything = np.concatenate(rows)
    assert np.allclose(moments.mean, everything.mean(axis=0), rtol=1e-12)
    assert np.allclose(moments.var, everything.var(axis=0), rtol=1e-9, atol=1e-12)
    assert moments.count == len(everything)


def test_before_anything_is_merged_nothing_is_changed_but_clipped():
    norm = ObservationNorm(2, clip=10.0)
    assert norm(torch.tensor([[3.0, -40.0]])).tolist() == [[3.0, -10.0]]


def test_what_is_normalised_has_mean_0_and_variance_1():
    norm, (rows,) = ObservationNorm(3, clip=10.0), batches((400,))
    merge(norm, rows)
    normalised = norm(torch.tensor(rows, dtype=torch.float32)).double()
    assert torch.allclose(normalised.mean(dim=0), torch.zeros(3).double(), atol=1e-5)
    assert torch.allclose(normalised.var(dim=0, correction=0), torch.ones(3).double(), atol=1e-4)
    assert normalised.dtype == torch.float64 and norm(torch.zeros(3)).dtype == torch.float32


def test_what_never_changed_becomes_0_and_what_then_does_is_clipped():
    norm = ObservationNorm(1, clip=5.0)
    merge(norm, np.full((9, 1), 7.0))
    assert norm(torch.tensor([[7.0], [8.0], [-1e30]])).tolist() == [[0.0], [5.0], [-5.0]]


def test_a_loaded_or_copied_one_normalises_alike():
    norm, (rows,) = ObservationNorm(3, clip=10.0), batches((400,))
    merge(norm, rows)
    obs = torch.tensor(rows[:5], dtype=torch.float32)
    loaded = ObservationNorm(3, clip=10.0)
    loaded.load_state_dict(norm.state_dict())
    assert torch.equal(loaded(obs), norm(obs))
    copied = copy.deepcopy(loaded)
    loaded.load_state_dict(ObservationNorm(3, clip=10.0).state_dict())
    assert torch.equal(copied(obs), norm(obs)), "it went with the one that it was copied from"


def test_the_state_is_what_the_documents_name():
    state = ObservationNorm(3, clip=10.0).state_dict()
    assert {name: (tuple(tensor.shape), tensor.dtype) for name, tensor in state.items()} == {
        "mean": ((3,), torch.float64),
        "var": ((3,), torch.float64),
        "count": ((), torch.float64),
    }
