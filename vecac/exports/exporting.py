"""A policy written to a file, after what the file does has been compared with the policy.

Shapes: N environments, D observation size.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from vecac.algorithm.network import Network
from vecac.errors import RunFault, UsageError
from vecac.exports.formats import FORMATS
from vecac.exports.playable import PlayablePolicy
from vecac.extras import require_extras
from vecac.recording.files import require_file, write_atomically
from vecac.runs.saved_policy import SavedPolicy

NUM_DRAWN = 10_000
"""Observations that a file is compared by."""

TOLERANCE = 1e-5
"""By which numbers may differ, as a share of the largest of their kind, or of 1 if that is larger."""


@dataclass(frozen=True)
class Exported:
    """outputs: what the file makes of observations, by name. difference: the largest found; see TOLERANCE."""

    outputs: Sequence[str]
    difference: float


def require_exportable(path: Path) -> None:
    """Refuse a file as `require_file` does, or for which an extra is missing."""
    require_file(path, "--to", FORMATS)
    require_extras(*FORMATS[path.suffix].extras)


def export(saved: SavedPolicy, path: Path) -> Exported:
    """Write a policy to a file of the kind that its ending says, whole or not at all.

    Raises:
        UsageError: it cannot be written, or the policy's environment cannot be made.
        RunFault: the file would do something else than the policy; it is not written.
    """
    require_exportable(path)
    policy, kind = PlayablePolicy(saved), FORMATS[path.suffix]
    data = kind.write(policy)
    obs_ND = draw_observations(saved.network, NUM_DRAWN)
    found = kind.play(data)(obs_ND)
    difference = compare(policy, found, obs_ND)
    if not difference <= TOLERANCE:
        raise RunFault(f"--to {path} would differ from the policy by {difference:.1e}: it is not written")
    try:
        write_atomically(path, data)
    except OSError as error:
        raise UsageError(f"--to {path} cannot be written: {error.strerror}; name another file") from error
    return Exported(list(found), difference)


def draw_observations(network: Network, count: int) -> NDArray[np.float32]:
    """Rows (count, D) of a wide normal distribution, around what the network has seen if it normalises."""
    rows = np.random.default_rng(0).normal(scale=3.0, size=(count, network.spec.obs_size))
    if network.obs_norm is not None:
        rows = network.obs_norm.mean.numpy() + rows * network.obs_norm.var.numpy() ** 0.5
    return rows.astype(np.float32)


def compare(policy: PlayablePolicy, found: Mapping[str, NDArray[Any]], obs_ND: NDArray[np.float32]) -> float:
    """The largest difference of what was found from what the policy makes of observations; see TOLERANCE.

    An action is compared with that of the outputs found: rounding may choose between two as probable.
    """
    with torch.no_grad():
        expected = policy(torch.from_numpy(obs_ND))
        outputs = "mean" if policy.form.kind == "box" else "logits"
        expected["action"] = policy.action(torch.from_numpy(np.asarray(found[outputs])))
    largest = 0.0
    for name, ours in found.items():
        theirs = expected[name].numpy()
        if ours.shape != theirs.shape:
            return float("inf")
        scale = max(1.0, float(np.abs(theirs).max()))
        largest = max(largest, float(np.abs(ours - theirs).max()) / scale)
    return largest
