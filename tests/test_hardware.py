import warnings

import pytest
import torch

from vecac.config import Config
from vecac.engines.hardware import cpu_threads, idle_gpu, resolve_device
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


@pytest.mark.parametrize(("asked_for", "used"), [(0, 1), (3, 3)])
def test_threads_are_set_and_put_back(asked_for, used):
    torch.set_num_threads(2)
    with cpu_threads(Config(num_envs=4096, num_threads=asked_for)) as num_threads:
        assert torch.get_num_threads() == num_threads == used
    assert torch.get_num_threads() == 2
    torch.set_num_threads(1)
