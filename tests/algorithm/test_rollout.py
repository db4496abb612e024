import numpy as np
import pytest
import torch
from learner_support import discrete

from vecac.algorithm.rollout import Rollout
from vecac.transition import Transition

T, N, D = 3, 2, 4
CPU = torch.device("cpu")


def arrays(t, ended=(False, False)):
    """A transition, and the observations to act on next."""
    base = 100.0 * (t + 1)
    transition = Transition(
        obs=np.full((N, D), base - 1, np.float32),
        reward=np.array([base, base + 1], np.float32),
        terminated=np.array(ended),
        truncated=np.zeros(N, bool),
        next_obs=np.full((N, D), base + 2, np.float32),
        valid=np.array([True, t != 1]),
    )
    return transition, np.full((N, D), base + 3, np.float32)


@pytest.fixture(params=[False, True], ids=["direct", "staged"])
def staged(request):
    return request.param


def fill(rollout):
    rollout.start(np.full((N, D), 7, np.float32))
    for t in range(T):
        transition, obs = arrays(t, ended=(t == 1, False))
        rollout.insert(t, transition, obs)
        for array in (*transition, obs):
            array[...] = 1  # an environment that reuses its memory
    rollout.finish()
    return rollout.tensors


def test_every_row_lands_where_it_belongs_and_aliases_nothing(staged):
    tensors = fill(Rollout(T, N, D, discrete(2), hides_final_obs=True, device=CPU, staged=staged))
    assert tensors.obs_SND[:, 0, 0].tolist() == [7, 103, 203, 303]
    assert tensors.reward_TN.tolist() == [[100, 101], [200, 201], [300, 301]]
    assert tensors.terminated_TN.tolist() == [[False, False], [True, False], [False, False]]
    assert not tensors.truncated_TN.any()
    assert tensors.valid_TN.tolist() == [[True, True], [True, False], [True, True]]
    assert tensors.final_obs_TND[1, 0].tolist() == [202] * D
    assert tensors.final_obs_TND[1, 1].tolist() == [0] * D


def test_shapes_dtypes_and_contiguity(staged):
    tensors = Rollout(T, N, D, discrete(2), hides_final_obs=True, device=CPU, staged=staged).tensors
    expected = {
        "obs_SND": ((T + 1, N, D), torch.float32),
        "action_TN": ((T, N), torch.int64),
        "reward_TN": ((T, N), torch.float32),
        "terminated_TN": ((T, N), torch.bool),
        "truncated_TN": ((T, N), torch.bool),
        "valid_TN": ((T, N), torch.bool),
        "final_obs_TND": ((T, N, D), torch.float32),
    }
    for name, (shape, dtype) in expected.items():
        tensor = getattr(tensors, name)
        assert (tuple(tensor.shape), tensor.dtype) == (shape, dtype)
        assert tensor.is_contiguous()


def test_nothing_is_allocated_for_final_observations_that_are_not_hidden():
    assert Rollout(T, N, D, discrete(2), hides_final_obs=False, device=CPU).tensors.final_obs_TND is None


def test_the_memory_stays_the_same_from_rollout_to_rollout(staged):
    rollout = Rollout(T, N, D, discrete(2), hides_final_obs=True, device=CPU, staged=staged)
    before = {name: tensor.data_ptr() for name, tensor in vars(fill(rollout)).items()}
    assert {name: tensor.data_ptr() for name, tensor in vars(fill(rollout)).items()} == before


def test_staged_observations_arrive_before_the_rollout_is_finished():
    rollout = Rollout(T, N, D, discrete(2), hides_final_obs=False, device=CPU, staged=True)
    rollout.start(np.full((N, D), 7, np.float32))
    rollout.insert(0, *arrays(0))
    assert rollout.tensors.obs_SND[:2, 0, 0].tolist() == [7, 103]


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_cuda_equals_cpu():
    on_cpu = fill(Rollout(T, N, D, discrete(2), hides_final_obs=True, device=CPU))
    on_cuda = fill(Rollout(T, N, D, discrete(2), hides_final_obs=True, device=torch.device("cuda")))
    for name, tensor in vars(on_cpu).items():
        assert torch.equal(tensor, getattr(on_cuda, name).cpu())
