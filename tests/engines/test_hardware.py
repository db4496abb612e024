import os
import warnings

import pytest
import torch

from vecac.config import Config
from vecac.engines.hardware import choose_threads, idle_gpu, resolve_device, torch_threads
from vecac.errors import UsageError

needs_no_cuda = pytest.mark.skipif(torch.cuda.is_available(), reason="needs a machine without CUDA")
needs_cuda = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")


@pytest.mark.parametrize("requested", ["auto", "cpu"])
def test_auto_is_the_cpu(requested):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert resolve_device(requested) == torch.device("cpu")


@needs_no_cuda
@pytest.mark.parametrize("requested", ["cuda", "cuda:3"])
def test_missing_cuda_warns_once_and_falls_back(requested):
    with pytest.warns(UserWarning, match=f"--device {requested}: .* training on the CPU instead") as caught:
        assert resolve_device(requested) == torch.device("cpu")
    assert len(caught) == 1


@needs_cuda
def test_a_gpu_that_does_not_exist_is_refused():
    with pytest.raises(UsageError, match="cuda:99"):
        resolve_device("cuda:99")


def test_a_gpu_number_beyond_the_count_is_refused(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    assert resolve_device("cuda:1") == torch.device("cuda:1")
    with pytest.raises(UsageError, match="cuda:2 does not exist: there are 2"):
        resolve_device("cuda:2")


def test_auto_names_the_gpu_that_it_passes_over(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda: "A GPU")
    assert idle_gpu("auto") == "A GPU"
    assert idle_gpu("cpu") is None
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert idle_gpu("auto") is None


@pytest.mark.parametrize(
    ("learner", "asked_for", "used"), [("torch", 0, 1), ("torch", 3, 3), ("compiled", 2, 2)]
)
def test_threads_are_chosen_for_the_learner(learner, asked_for, used):
    assert choose_threads(Config(learner=learner, num_threads=asked_for)) == used


@pytest.mark.linux
def test_kernels_use_every_core_that_the_process_may_run_on():
    assert choose_threads(Config(learner="compiled")) == len(os.sched_getaffinity(0))


def test_threads_are_set_and_put_back():
    before = torch.get_num_threads()
    with pytest.raises(KeyError), torch_threads(before + 2):
        assert torch.get_num_threads() == before + 2
        raise KeyError
    assert torch.get_num_threads() == before
