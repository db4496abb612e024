import os
import random
import struct
from pathlib import Path

import pytest
import torch

from vecac.algorithm.network import ActorCritic
from vecac.config import Config
from vecac.errors import UsageError
from vecac.recording import checkpoint


def trained():
    """A network and an Adam that has made three steps."""
    torch.manual_seed(0)
    network = ActorCritic(4, 2, hidden_size=8)
    optimizer = torch.optim.Adam(network.parameters(), lr=1e-3)
    for _ in range(3):
        step(network, optimizer)
    return network, optimizer


def step(network, optimizer):
    logits, value = network(torch.linspace(-1, 1, 20).reshape(5, 4))
    optimizer.zero_grad()
    (logits.square().mean() + value.square().mean()).backward()
    optimizer.step()


def content_of(network, optimizer, env_steps=2**40 + 1, updates=3):
    return {
        "config": Config().to_dict(),
        "network": network.state_dict(),
        "optimizer": optimizer.state_dict(),
        "env_steps": env_steps,
        "updates": updates,
    }


def equal(left, right):
    """Whether two state dicts hold the same keys, numbers and bits."""
    if isinstance(left, torch.Tensor):
        return left.dtype == right.dtype and torch.equal(left, right)
    if isinstance(left, dict):
        return left.keys() == right.keys() and all(equal(left[key], right[key]) for key in left)
    if isinstance(left, list | tuple):
        return len(left) == len(right) and all(map(equal, left, right))
    return type(left) is type(right) and left == right


@pytest.fixture
def path(tmp_path):
    """A saved checkpoint."""
    path = tmp_path / "latest.pt"
    checkpoint.save(path, content_of(*trained()))
    return path


def refusal(path):
    with pytest.raises(UsageError) as caught:
        checkpoint.load(path)
    message = str(caught.value)
    assert message.startswith(f"checkpoint {path} ")
    assert len(message.splitlines()) == 1
    return message


def test_what_was_saved_is_what_is_loaded(path):
    expected = {"format_version": 2, **content_of(*trained())}
    assert equal(checkpoint.load(path), expected)
    assert [file.name for file in path.parent.iterdir()] == ["latest.pt"]


def test_torch_itself_reads_it_as_plain_data(path):
    assert equal(torch.load(path, weights_only=True), {"format_version": 2, **content_of(*trained())})


def test_tensors_of_another_device_are_saved_from_the_cpu(path, monkeypatch):
    """So that torch alone reads them where that device is missing. `meta` is the other device here."""
    on_cpu = {}

    def moved(value):
        if isinstance(value, torch.Tensor):
            there = value.to("meta")
            on_cpu[id(there)] = there, value
            return there
        if isinstance(value, dict):
            return {key: moved(item) for key, item in value.items()}
        return [moved(item) for item in value] if isinstance(value, list) else value

    content = content_of(*trained())
    monkeypatch.setattr(torch.Tensor, "cpu", lambda there: on_cpu[id(there)][1])
    checkpoint.save(path, moved(content))
    loaded = torch.load(path, weights_only=True)
    assert equal(loaded, {"format_version": 2, **content})
    # Adam's fused kernels on CUDA want the moments laid out like their parameters.
    weight, moments = loaded["network"]["fc1.weight"], loaded["optimizer"]["state"][0]
    assert weight.stride() == moments["exp_avg"].stride() == moments["exp_avg_sq"].stride() == (1, 8)


def test_training_goes_on_from_it_as_if_nothing_had_been(path):
    content = checkpoint.load(path)
    network = ActorCritic(4, 2, hidden_size=8)
    network.load_state_dict(content["network"])
    optimizer = torch.optim.Adam(network.parameters(), lr=99.0)
    optimizer.load_state_dict(content["optimizer"])
    step(network, optimizer)
    undisturbed, its_optimizer = trained()
    step(undisturbed, its_optimizer)
    assert equal(network.state_dict(), undisturbed.state_dict())
    assert equal(optimizer.state_dict(), its_optimizer.state_dict())


def test_a_new_one_takes_the_place_of_the_old(path):
    checkpoint.save(path, content_of(*trained(), env_steps=7))
    assert checkpoint.load(path)["env_steps"] == 7


@pytest.mark.parametrize("broken", ["os.fsync", "pathlib.Path.replace"])
def test_a_save_that_fails_midway_leaves_the_old_file(path, monkeypatch, broken):
    def fail(*_):
        raise OSError(28, "No space left on device")

    before = path.read_bytes()
    with monkeypatch.context() as patched:
        patched.setattr(broken, fail)
        with pytest.raises(OSError, match="No space left"):
            checkpoint.save(path, content_of(*trained(), env_steps=8))
    assert path.read_bytes() == before
    checkpoint.save(path, content_of(*trained(), env_steps=9))  # what the failure left is in nobody's way
    assert checkpoint.load(path)["env_steps"] == 9
    assert [file.name for file in path.parent.iterdir()] == ["latest.pt"]


def test_the_file_is_on_disk_before_it_takes_the_name(path, monkeypatch):
    calls = []
    fsync, replace = os.fsync, Path.replace
    monkeypatch.setattr(os, "fsync", lambda fd: calls.append(os.fstat(fd).st_size) or fsync(fd))
    monkeypatch.setattr(Path, "replace", lambda *paths: calls.append("replace") or replace(*paths))
    checkpoint.save(path, content_of(*trained()))
    assert calls == [path.stat().st_size, "replace"]


def test_cut_short_anywhere(path):
    data = path.read_bytes()
    size = len(data)
    for length in [0, 1, 63, 64, 65, size - 65, size - 64, size - 2, size - 1, *range(100, size, size // 31)]:
        path.write_bytes(data[:length])
        assert "cut short" in refusal(path)


def test_bytes_too_many(path):
    path.write_bytes(path.read_bytes() + b"\0")
    assert "checksum does not match" in refusal(path)


def test_any_single_bit_flipped(path):
    data = path.read_bytes()
    bits = 8 * len(data)
    ends = [0, 1, 9, 8 * 30, bits // 2, bits - 8 * 65, bits - 8 * 64, bits - 9, bits - 1]
    for bit in ends + random.Random(1).sample(range(bits), 60):
        damaged = bytearray(data)
        damaged[bit // 8] ^= 1 << bit % 8
        path.write_bytes(damaged)
        assert "is damaged" in refusal(path)


def test_an_empty_file(path):
    path.write_bytes(b"")
    assert "is damaged" in refusal(path)


def test_a_directory(tmp_path):
    assert " cannot be read: " in refusal(tmp_path)


def test_a_missing_file(tmp_path):
    assert refusal(tmp_path / "gone.pt").endswith(
        " cannot be read: No such file or directory; name a run folder that has one"
    )


def test_a_file_of_torchs_own_has_no_checksum(path):
    torch.save(content_of(*trained()), path)
    assert "not one of vecac's" in refusal(path)


def sign(path):
    """Give a zip archive at path the checksum that a checkpoint of ours would have."""
    comment = struct.pack("<H", len(checkpoint._LABEL) + checkpoint._DIGEST_SIZE) + checkpoint._LABEL
    body = path.read_bytes()[:-2] + comment
    path.write_bytes(body + checkpoint._digest(body))


class Code:
    """Makes a folder when it is unpickled."""

    def __init__(self, folder):
        self.folder = folder

    def __reduce__(self):
        return os.mkdir, (str(self.folder),)


def test_code_is_refused_and_not_run(tmp_path):
    path, proof = tmp_path / "latest.pt", tmp_path / "was_run"
    torch.save({"format_version": 2, **content_of(*trained()), "extra": Code(proof)}, path)
    sign(path)
    assert "holds more than plain tensors and numbers, and is not loaded" in refusal(path)
    assert not proof.exists()
    torch.load(path, weights_only=False)
    assert proof.exists()  # so it could have been run


def test_signed_but_no_archive(tmp_path):
    path = tmp_path / "latest.pt"
    path.write_bytes(b"not a zip archive, but long enough")
    sign(path)
    assert "holds more than plain tensors and numbers, and is not loaded" in refusal(path)


@pytest.mark.parametrize("content", [[1, 2], 5, None, "text", torch.zeros(3)])
def test_signed_but_no_dictionary(tmp_path, content):
    path = tmp_path / "latest.pt"
    torch.save(content, path)
    sign(path)
    assert " lacks format_version, config, network, optimizer, env_steps, updates" in refusal(path)


@pytest.mark.parametrize("missing", ["config", "network", "optimizer", "env_steps", "updates"])
def test_a_missing_part_is_named(path, missing):
    content = content_of(*trained())
    del content[missing]
    checkpoint.save(path, content)
    assert refusal(path) == f"checkpoint {path} lacks {missing}: it is not one of vecac's"


def test_a_newer_format(path):
    checkpoint.save(path, {**content_of(*trained()), "format_version": 3})
    assert refusal(path) == f"checkpoint {path} has format 3, this vecac reads up to 2: upgrade vecac"


@pytest.mark.parametrize("version", ["2", None, 0, -1])
def test_a_format_that_is_no_number(path, version):
    checkpoint.save(path, {**content_of(*trained()), "format_version": version})
    refusal(path)
