"""The files that TensorBoard reads, byte by byte and by TensorBoard's own reader."""

import struct

import pytest
from support import read_scalars
from tensorboard.backend.event_processing.event_file_loader import EventFileLoader
from tensorboard.compat.proto.event_pb2 import Event
from tensorboard.plugins.hparams.plugin_data_pb2 import HParamsPluginData

from vecac.recording import events
from vecac.recording.meanings import METRICS


def crc32c(data):
    """Castagnoli's checksum by its polynomial, a bit at a time."""
    crc = 0xFFFFFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0x82F63B78 if crc & 1 else 0)
    return crc ^ 0xFFFFFFFF


def masked_crc(data):
    crc = crc32c(data)
    return ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF


def records(data):
    """The events in TFRecord's framing: length, its checksum, the event, its checksum."""
    while data:
        (length,) = struct.unpack("<Q", data[:8])
        body = data[12 : 12 + length]
        assert data[8:12] == struct.pack("<I", masked_crc(data[:8]))
        assert data[12 + length : 16 + length] == struct.pack("<I", masked_crc(body))
        yield Event.FromString(body)
        data = data[16 + length :]


def test_the_checksum_is_castagnolis():
    assert crc32c(b"123456789") == 0xE3069283  # the check value that its definition comes with


def test_a_row_is_one_record():
    data = events.scalars({"train/loss": 0.5, "rollout/episodes": 7}, 2**53 + 1, 1234.5)
    (event,) = records(data)
    assert (event.step, event.wall_time) == (2**53 + 1, 1234.5)
    assert [(value.tag, value.simple_value) for value in event.summary.value] == [
        ("train/loss", 0.5),
        ("rollout/episodes", 7.0),
    ]


def test_the_first_record_names_the_format():
    (event,) = records(events.header())
    assert event.file_version == "brain.Event:2"
    assert event.wall_time > 1.7e9  # in seconds: it is after 2023


def test_settings_are_a_table_and_hparams():
    config = {"env_id": "a|b", "num_envs": 3, "gamma": 0.98, "quiet": True, "target_return": None}
    page, *hparams = records(events.settings(config, {"eval/mean_reward": 0.0}))
    (value,) = page.summary.value
    assert value.tag == "config/text_summary"
    assert value.tensor.string_val[0].decode().splitlines() == [
        "| setting | value |",
        "| --- | --- |",
        "| env_id | a\\|b |",
        "| num_envs | 3 |",
        "| gamma | 0.98 |",
        "| quiet | True |",
        "| target_return | None |",
    ]
    plugin_data = {
        value.tag: HParamsPluginData.FromString(value.metadata.plugin_data.content)
        for event in hparams
        for value in event.summary.value
    }
    shown = plugin_data["_hparams_/session_start_info"].session_start_info.hparams
    assert {name: shown[name].WhichOneof("kind") for name in shown} == {
        "env_id": "string_value",
        "num_envs": "number_value",
        "gamma": "number_value",
        "quiet": "string_value",
        "target_return": "string_value",
    }
    assert (shown["num_envs"].number_value, shown["gamma"].number_value) == (3, 0.98)
    assert (shown["quiet"].string_value, shown["target_return"].string_value) == ("True", "None")
    metric_infos = plugin_data["_hparams_/experiment"].experiment.metric_infos
    assert [info.name.tag for info in metric_infos] == ["eval/mean_reward"]


@pytest.fixture
def data():
    rows = [events.scalars({"train/loss": loss}, step, 1.0) for step, loss in ((10, 1.5), (20, 2.5))]
    return b"".join([events.header(), events.settings({"seed": 1}, {}), *rows])


def test_tensorboard_reads_what_it_is(tmp_path, data):
    path = tmp_path / events.file_name()
    path.write_bytes(data)
    assert read_scalars(tmp_path) == {"train/loss": [(10, 1.5), (20, 2.5)]}
    assert next(iter(EventFileLoader(str(path)).Load())).file_version == "brain.Event:2"


def test_tensorboard_reads_the_rows_before_one_that_is_half_there(tmp_path, data):
    (tmp_path / events.file_name()).write_bytes(data[:-5])
    assert read_scalars(tmp_path) == {"train/loss": [(10, 1.5)]}


def test_no_two_files_have_one_name():
    names = {events.file_name() for _ in range(3)}
    assert len(names) == 3
    assert all(name.startswith("events.out.tfevents.") for name in names)


def test_tensorboards_page_of_custom_scalars_begins_with_the_return():
    from tensorboard.plugins.custom_scalar.layout_pb2 import Layout

    (event,) = records(events.layout())
    (value,) = event.summary.value
    assert value.metadata.plugin_data.plugin_name == "custom_scalars"
    (category,) = Layout.FromString(value.tensor.string_val[0]).category
    assert [chart.title for chart in category.chart] == ["return", "loss", "entropy", "speed"]
    shown = [tag for chart in category.chart for tag in chart.multiline.tag]
    assert shown[0] == "rollout/ep_rew_mean"
    assert set(shown) <= METRICS.keys()


def test_a_picture_is_its_bytes():
    (event,) = records(events.picture("eval/video", b"GIF89a", 20, 30, 7))
    (value,) = event.summary.value
    image = value.image
    assert (event.step, value.tag, image.encoded_image_string) == (7, "eval/video", b"GIF89a")
    assert (image.height, image.width, image.colorspace) == (20, 30, 3)
