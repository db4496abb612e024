"""One torch thread: the tests' networks are tiny, and threads that wait for each other are slow."""

import pytest
import torch


@pytest.fixture(autouse=True, scope="session")
def one_thread():
    torch.set_num_threads(1)
