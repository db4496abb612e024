import math

import numpy as np
import pytest
from support import read_csv, read_scalars
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.plugins.hparams.plugin_data_pb2 import HParamsPluginData

from vecac.config import Config
from vecac.recording.meanings import METRICS
from vecac.recording.metrics import MetricsLog


@pytest.fixture
def log(tmp_path):
    return MetricsLog(tmp_path, Config(num_envs=3).to_dict())


@pytest.mark.parametrize("tag", ["rollout/ep_rew_std", "loss", "train/Loss"])
def test_a_metric_that_is_not_documented_is_refused(log, tmp_path, tag):
    with pytest.raises(KeyError, match=tag):
        log.write(10, {"train/loss": 1.0, tag: 2.0})
    log.write(20, {"train/loss": 3.0})
    log.flush()
    assert read_scalars(tmp_path) == {"train/loss": [(20, 3.0)]}
    assert len(read_csv(tmp_path)) == 1


def test_tensorboard_and_csv_hold_the_same_numbers(log, tmp_path):
    rows = {
        1000: {tag: 0.1 + index for index, tag in enumerate(METRICS)},
        2500: {tag: -1e-3 * index for index, tag in enumerate(METRICS)},
    }
    for env_steps, row in rows.items():
        log.write(env_steps, row)
    log.flush()
    scalars = read_scalars(tmp_path)
    assert set(scalars) == set(METRICS)
    written = read_csv(tmp_path)
    assert list(written[0]) == list(METRICS)
    for tag in METRICS:
        expected = [(env_steps, row[tag]) for env_steps, row in rows.items()]
        # TensorBoard keeps float32; the CSV keeps every digit.
        assert scalars[tag] == [(env_steps, np.float32(number)) for env_steps, number in expected]
        assert [float(row[tag]) for row in written] == [number for _, number in expected]


def test_nan_is_left_out(log, tmp_path):
    log.write(10, {"rollout/ep_rew_mean": math.nan, "train/loss": 1.5})
    log.write(20, {"rollout/ep_rew_mean": 7.0, "train/loss": math.nan})
    log.flush()
    assert read_scalars(tmp_path) == {"train/loss": [(10, 1.5)], "rollout/ep_rew_mean": [(20, 7.0)]}
    first, second = read_csv(tmp_path)
    assert (first["rollout/ep_rew_mean"], first["train/loss"]) == ("", "1.5")
    assert (second["rollout/ep_rew_mean"], second["train/loss"]) == ("7.0", "")


@pytest.mark.parametrize("env_steps", [2**24 + 1, 2**32 + 1, 2**53 + 1])
def test_the_step_axis_is_exact(log, tmp_path, env_steps):
    log.write(env_steps, {"time/total_timesteps": env_steps, "train/loss": 1.0})
    log.flush()
    assert read_scalars(tmp_path)["train/loss"] == [(env_steps, 1.0)]
    assert read_csv(tmp_path)[0]["time/total_timesteps"] == str(env_steps)


def test_the_config_is_a_page_and_hparams_in_the_runs_one_event_file(log, tmp_path):
    log.write(10, {"train/loss": 1.0})
    log.flush()
    assert len(list(tmp_path.glob("events.out.tfevents.*"))) == 1
    assert not [path for path in tmp_path.iterdir() if path.is_dir()]
    events = EventAccumulator(str(tmp_path)).Reload()

    (page,) = events.Tensors("config/text_summary")
    lines = page.tensor_proto.string_val[0].decode().splitlines()
    assert lines[:2] == ["| setting | value |", "| --- | --- |"]
    assert {"| num_envs | 3 |", "| learning_rate | 0.0002 |", "| max_grad_norm | None |"} <= set(lines)
    assert len(lines) == 2 + len(Config().to_dict())

    hparams = events.PluginTagToContent("hparams")
    start = HParamsPluginData.FromString(hparams["_hparams_/session_start_info"]).session_start_info
    assert set(start.hparams) == set(Config().to_dict())
    assert start.hparams["num_envs"].number_value == 3
    assert start.hparams["learning_rate"].number_value == 2e-4
    assert start.hparams["env_id"].string_value == "CartPole-v1"
    assert start.hparams["max_grad_norm"].string_value == "None"
    experiment = HParamsPluginData.FromString(hparams["_hparams_/experiment"]).experiment
    shown = {info.name.tag for info in experiment.metric_infos}
    assert shown == {"rollout/ep_rew_mean", "eval/mean_reward"}
    assert shown <= set(METRICS)


def test_rows_reach_the_disk_while_the_run_goes_on(tmp_path, monkeypatch):
    now = 100.0
    monkeypatch.setattr("vecac.recording.metrics.time.monotonic", lambda: now)
    log = MetricsLog(tmp_path, {})
    log.flush()
    assert not log.is_flush_due()
    assert read_csv(tmp_path) == []  # with its header: tail -f can begin
    assert (tmp_path / "progress.csv").read_text().startswith("rollout/ep_rew_mean,")
    now += 0.5
    log.write(10, {"train/loss": 1.0})
    assert not log.is_flush_due()  # many rows a second cost few writes
    log.write(20, {"train/loss": 2.0})
    now += 0.6
    assert log.is_flush_due()
    log.flush()
    assert [row["train/loss"] for row in read_csv(tmp_path)] == ["1.0", "2.0"]
    assert read_scalars(tmp_path) == {"train/loss": [(10, 1.0), (20, 2.0)]}
    now += 5.0
    assert not log.is_flush_due()  # there is nothing to flush


def test_an_attempt_that_failed_is_not_repeated_at_once(tmp_path, monkeypatch):
    now = 100.0
    monkeypatch.setattr("vecac.recording.metrics.time.monotonic", lambda: now)
    log = MetricsLog(tmp_path / "missing", {})
    log.write(10, {"train/loss": 1.0})
    assert log.is_flush_due()
    with pytest.raises(FileNotFoundError):
        log.flush()
    now += 0.9
    log.write(20, {"train/loss": 2.0})
    assert not log.is_flush_due()
    now += 0.2
    assert log.is_flush_due()
