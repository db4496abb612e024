"""TensorBoard's event format, record by record.

Its own writer puts a thread and a file of its own between a row and the disk: an error would surface
elsewhere, and a file could not be gone on with.
"""

import io
import os
import socket
import time
from collections.abc import Mapping
from typing import Any

from tensorboard.compat.proto.event_pb2 import Event
from tensorboard.compat.proto.summary_pb2 import Summary
from tensorboard.summary.writer.record_writer import RecordWriter
from torch.utils.tensorboard.summary import custom_scalars, hparams, text


def file_name() -> str:
    """A name that TensorBoard looks for, like no other's."""
    return f"events.out.tfevents.{time.time_ns()}.{socket.gethostname()}.{os.getpid()}"


def header() -> bytes:
    """The record that every event file begins with."""
    return _record(Event(wall_time=time.time(), file_version="brain.Event:2"))


def scalars(row: Mapping[str, float], step: int, wall_time: float) -> bytes:
    """One record with all numbers of a row."""
    values = [Summary.Value(tag=tag, simple_value=number) for tag, number in row.items()]
    return _record(Event(wall_time=wall_time, step=step, summary=Summary(value=values)))


LAYOUT = {
    "vecac": {
        "return": ["Multiline", ["rollout/ep_rew_mean", "eval/mean_reward"]],
        "loss": ["Multiline", ["train/loss", "train/policy_loss", "train/value_loss"]],
        "entropy": ["Multiline", ["train/entropy"]],
        "speed": ["Multiline", ["time/fps"]],
    }
}
"""What TensorBoard's page of custom scalars shows, in this order."""


def layout() -> bytes:
    """LAYOUT, for TensorBoard."""
    summary = custom_scalars(LAYOUT)  # type: ignore[no-untyped-call]
    return _record(Event(wall_time=time.time(), summary=summary))


def picture(tag: str, data: bytes, height: int, width: int, step: int) -> bytes:
    """One record with a picture, which may move: the bytes of a GIF."""
    image = Summary.Image(height=height, width=width, colorspace=3, encoded_image_string=data)
    value = Summary.Value(tag=tag, image=image)
    return _record(Event(wall_time=time.time(), step=step, summary=Summary(value=[value])))


def settings(config: Mapping[str, Any], shown_beside: Mapping[str, float]) -> bytes:
    """A config as a text page and as hparams, with the metrics that the table of runs shows.

    SummaryWriter.add_hparams would put the latter in a folder, and so a run, of its own.
    """
    cells = {name: str(value).replace("|", "\\|") for name, value in config.items()}
    table = "\n".join(f"| {name} | {cell} |" for name, cell in cells.items())
    page = text("config", f"| setting | value |\n| --- | --- |\n{table}")  # type: ignore[no-untyped-call]
    # TensorBoard would show True as 1.0000, and does not take None.
    plain = {
        name: value if isinstance(value, int | float) and not isinstance(value, bool) else str(value)
        for name, value in config.items()
    }
    summaries = (page, *hparams(plain, dict(shown_beside)))  # type: ignore[no-untyped-call]
    return b"".join(_record(Event(wall_time=time.time(), summary=summary)) for summary in summaries)


def _record(event: Event) -> bytes:
    buffer = io.BytesIO()
    RecordWriter(buffer).write(event.SerializeToString())
    return buffer.getvalue()
