"""The files that a policy can be exported to: each written, and played from its bytes to be compared.

Shapes: N environments, D observation size.
"""

import io
import logging
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from vecac.algorithm.network import Network
from vecac.exports.numpy_policy import act, outputs_of
from vecac.exports.playable import PlayablePolicy

Player = Callable[[NDArray[np.float32]], Mapping[str, NDArray[Any]]]
"""Makes of observations (N, D) what PlayablePolicy.forward makes of them, or a part of it."""


class Format(NamedTuple):
    """write: a policy as a file's bytes. play: what they do. extras: of pyproject.toml, which both need."""

    write: Callable[[PlayablePolicy], bytes]
    play: Callable[[bytes], Player]
    extras: tuple[str, ...] = ()


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep to itself what exporters warn of: packages that are not needed, and their own deprecations."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings(action="ignore"), torch.no_grad():
            yield
    finally:
        logging.disable(before)


def _example(policy: PlayablePolicy) -> tuple[tuple[torch.Tensor], dict[str, Any]]:
    """Observations, of which there can be any number."""
    obs_ND = torch.zeros(2, policy.network.spec.obs_size)
    return (obs_ND,), {"obs": {0: torch.export.Dim("batch")}}


def _write_onnx(policy: PlayablePolicy) -> bytes:
    example, shapes = _example(policy)
    with _quiet():
        names = list(policy(*example))
        program = torch.onnx.export(
            policy,
            example,
            input_names=["obs"],
            output_names=names,
            dynamic_shapes=shapes,
            dynamo=True,
            verbose=False,
        )
    assert program is not None
    data: bytes = program.model_proto.SerializeToString()
    return data


def _play_onnx(data: bytes) -> Player:
    import onnxruntime

    session = onnxruntime.InferenceSession(data, providers=["CPUExecutionProvider"])
    names = [output.name for output in session.get_outputs()]
    return lambda obs_ND: dict(zip(names, session.run(names, {"obs": obs_ND}), strict=True))


def _write_pt2(policy: PlayablePolicy) -> bytes:
    example, shapes = _example(policy)
    buffer = io.BytesIO()
    with _quiet():
        torch.export.save(torch.export.export(policy, example, dynamic_shapes=shapes), buffer)
    return buffer.getvalue()


def _play_pt2(data: bytes) -> Player:
    with _quiet():
        module: Callable[..., Any] = torch.export.load(io.BytesIO(data)).module()

    @torch.no_grad()
    def play(obs_ND: NDArray[np.float32]) -> Mapping[str, NDArray[Any]]:
        return {name: found.numpy() for name, found in module(torch.from_numpy(obs_ND)).items()}

    return play


def _write_npz(policy: PlayablePolicy) -> bytes:
    arrays = _layers(policy.network) | {
        "action_kind": policy.form.kind,
        "action_sizes": np.array(policy.form.sizes),
        "action_shape": np.array(policy.shape, np.int64),
    }
    if policy.form.kind == "box":
        std = policy(torch.zeros(1, policy.network.spec.obs_size))["std"].detach()
        arrays |= {"action_low": policy.low, "action_high": policy.high, "action_std": std}
    else:
        arrays["action_start"] = policy.start
    buffer = io.BytesIO()
    plain: dict[str, Any] = {name: np.asarray(array) for name, array in arrays.items()}
    np.savez(buffer, **plain)
    return buffer.getvalue()


def _layers(network: Network) -> dict[str, Any]:
    """What the network computes with; weights (in, out)."""
    spec, norm = network.spec, network.obs_norm
    critic = "critic" if spec.separate_critic else "fc"
    layers: dict[str, nn.Module] = {"policy": network.fc_pi, "value": network.fc_v}
    for number in range(1, 1 + len(spec.hidden_sizes)):
        layers[f"policy_hidden{number}"] = network.get_submodule(f"fc{number}")
        layers[f"value_hidden{number}"] = network.get_submodule(f"{critic}{number}")
    arrays: dict[str, Any] = {"activation": spec.activation, "num_hidden": len(spec.hidden_sizes)}
    for name, layer in layers.items():
        assert isinstance(layer, nn.Linear)
        arrays[f"{name}_weight"], arrays[f"{name}_bias"] = layer.weight.detach().T, layer.bias.detach()
    return arrays | {
        "obs_shift": np.zeros(spec.obs_size, np.float32) if norm is None else norm.shift,
        "obs_scale": np.ones(spec.obs_size, np.float32) if norm is None else norm.scale,
        "obs_clip": np.float32(np.inf if norm is None else spec.clip_obs),
    }


def _play_npz(data: bytes) -> Player:
    arrays = np.load(io.BytesIO(data))
    outputs = "mean" if str(arrays["action_kind"]) == "box" else "logits"

    def play(obs_ND: NDArray[np.float32]) -> Mapping[str, NDArray[Any]]:
        return {
            "action": act(arrays, obs_ND),
            outputs: outputs_of(arrays, obs_ND, "policy_hidden", "policy"),
            "value": outputs_of(arrays, obs_ND, "value_hidden", "value")[:, 0],
        }

    return play


FORMATS: Mapping[str, Format] = {
    ".onnx": Format(_write_onnx, _play_onnx, ("export",)),
    ".npz": Format(_write_npz, _play_npz),
    ".pt2": Format(_write_pt2, _play_pt2),
}
"""By the ending of a file's name."""
