"""Checkpoints: atomic, checksummed, plain files that torch.load(path, weights_only=True) reads.

torch.save writes a zip archive. The SHA-256 of everything before it stands in the archive's comment,
where zip readers, torch among them, pass over it.
"""

import hashlib
import io
import struct
import warnings
from pathlib import Path
from typing import Any

import torch

from vecac.errors import UsageError
from vecac.plain import to_tensors
from vecac.recording.files import write_atomically

FORMAT_VERSION = 2
"""1 had no network_spec: its networks are all of the kind that is the default."""
REQUIRED = ("format_version", "config", "network", "optimizer", "env_steps", "updates")

_LABEL = b"sha256:"
_DIGEST_SIZE = 64  # in hexadecimal


def save(path: Path, content: dict[str, Any]) -> None:
    """Write the checkpoint as `write_atomically` does."""
    write_atomically(path, encode(content))


def encode(content: dict[str, Any]) -> bytes:
    """The file's bytes: the content as it is now, its arrays and tensors as tensors on the CPU."""
    buffer = io.BytesIO()
    torch.save({"format_version": FORMAT_VERSION, **to_tensors(content)}, buffer)
    # The archive's last two bytes are the length of its comment, 0 so far.
    body = buffer.getvalue()[:-2] + struct.pack("<H", len(_LABEL) + _DIGEST_SIZE) + _LABEL
    return body + _digest(body)


def load(path: Path) -> dict[str, Any]:
    """Read a checkpoint onto the CPU, after its checksum has been verified.

    Raises:
        UsageError: it cannot be read, is damaged, is not a checkpoint of ours, or is of a newer format.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise UsageError(
            f"checkpoint {path} cannot be read: {error.strerror}; name a run folder that has one"
        ) from error
    body, digest = data[:-_DIGEST_SIZE], data[-_DIGEST_SIZE:]
    if not body.endswith(_LABEL) or digest != _digest(body):
        raise UsageError(
            f"checkpoint {path} is damaged, cut short or not one of vecac's (its checksum does not "
            "match): use another checkpoint of the run, or train again"
        )
    try:
        with warnings.catch_warnings(action="ignore"):
            content: dict[str, Any] = torch.load(io.BytesIO(data), map_location="cpu", weights_only=True)
    except Exception as error:  # whatever torch makes of a file that only its checksum vouches for
        raise UsageError(
            f"checkpoint {path} holds more than plain tensors and numbers, and is not loaded: use one "
            "that vecac wrote"
        ) from error
    missing = [name for name in REQUIRED if not isinstance(content, dict) or name not in content]
    if missing:
        raise UsageError(f"checkpoint {path} lacks {', '.join(missing)}: it is not one of vecac's")
    counters = content["env_steps"], content["updates"]
    if not all(isinstance(counter, int) and 0 <= counter < 2**63 for counter in counters):
        raise UsageError(f"checkpoint {path} is malformed: its counters are no whole numbers; use another")
    found = content["format_version"]
    if not isinstance(found, int) or not 1 <= found <= FORMAT_VERSION:
        raise UsageError(
            f"checkpoint {path} has format {found}, this vecac reads up to {FORMAT_VERSION}: upgrade vecac"
        )
    return content


def _digest(body: bytes) -> bytes:
    return hashlib.sha256(body).hexdigest().encode()
