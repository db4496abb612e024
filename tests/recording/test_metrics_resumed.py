"""A log that goes on in the files of an earlier one."""

import pytest
from support import read_csv, read_scalars

from vecac.recording.metrics import MetricsLog


def resumed_log(run_dir, settings, position):
    log = MetricsLog(run_dir, settings)
    log.load_state_dict(position)
    return log


def write(log, *all_env_steps):
    """A row at each of them, whose loss is a tenth of it."""
    for env_steps in all_env_steps:
        log.write(env_steps, {"time/total_timesteps": env_steps, "train/loss": env_steps / 10})


def assert_rows(folder, *all_env_steps):
    """Both files hold just these rows, in order."""
    assert len(list(folder.glob("events.out.tfevents.*"))) == 1
    rows = read_csv(folder)
    assert [(row["time/total_timesteps"], row["train/loss"]) for row in rows] == [
        (str(env_steps), str(env_steps / 10)) for env_steps in all_env_steps
    ]
    assert read_scalars(folder).get("train/loss", []) == [
        (env_steps, pytest.approx(env_steps / 10)) for env_steps in all_env_steps
    ]


@pytest.mark.parametrize("later", [(), (30,), (30, 40, 50)])
def test_a_log_that_goes_on_doubles_no_row_and_misses_none(tmp_path, recwarn, later):
    log = MetricsLog(tmp_path, {"seed": 1})
    write(log, 10, 20)
    position = log.state_dict()
    write(log, *later)  # after the checkpoint that holds the position
    log.flush()
    assert_rows(tmp_path, 10, 20, *later)
    resumed = resumed_log(tmp_path, {"seed": 1}, position)
    write(resumed, 30, 45)
    resumed.flush()
    assert_rows(tmp_path, 10, 20, 30, 45)
    assert not recwarn


def test_what_came_later_is_cut_off_even_if_nothing_follows(tmp_path):
    log = MetricsLog(tmp_path, {})
    write(log, 10)
    position = log.state_dict()
    write(log, 20, 30)
    log.flush()
    resumed_log(tmp_path, {}, position).flush()
    assert_rows(tmp_path, 10)


@pytest.mark.parametrize("name", ["progress.csv", "events.out.tfevents.*"])
def test_half_a_row_at_the_end_is_cut_off(tmp_path, name, recwarn):
    log = MetricsLog(tmp_path, {})
    write(log, 10, 20)
    position = log.state_dict()
    write(log, 30)
    log.flush()
    (path,) = tmp_path.glob(name)
    path.write_bytes(path.read_bytes()[:-9])
    resumed = resumed_log(tmp_path, {}, position)
    write(resumed, 30)
    resumed.flush()
    assert_rows(tmp_path, 10, 20, 30)
    assert not recwarn


def test_a_log_can_go_on_more_than_once(tmp_path):
    log = MetricsLog(tmp_path, {})
    for env_steps in (10, 20, 30):
        write(log, env_steps)
        log.flush()
        position = log.state_dict()
        write(log, 1000)
        log.flush()
        log = resumed_log(tmp_path, {}, position)
    write(log, 40)
    log.flush()
    assert_rows(tmp_path, 10, 20, 30, 40)


def test_a_log_without_a_position_begins_anew_in_the_same_folder(tmp_path, recwarn):
    log = MetricsLog(tmp_path, {})
    write(log, 10, 20)
    log.flush()
    again = MetricsLog(tmp_path, {})
    write(again, 15)
    again.flush()
    assert_rows(tmp_path, 15)
    assert not recwarn


def gone_on(folder, damage):
    """A log that goes on with rows 30 and 40 after rows 10 and 20 were flushed, and then damaged."""
    log = MetricsLog(folder, {})
    write(log, 10, 20)
    position = log.state_dict()
    log.flush()
    (events,) = folder.glob("events.out.tfevents.*")
    damage(folder / "progress.csv", events)
    with pytest.warns(UserWarning, match=r" has lost log rows, and goes on without them$") as caught:
        resumed = resumed_log(folder, {}, position)
    assert len(caught) == 1
    assert str(caught[0].message).startswith(str(folder))
    write(resumed, 30, 40)
    resumed.flush()
    csv_rows = [int(row["time/total_timesteps"]) for row in read_csv(folder)]
    return csv_rows, [step for step, _ in read_scalars(folder)["train/loss"]]


def cut(path, num_bytes):
    path.write_bytes(path.read_bytes()[:-num_bytes])


@pytest.mark.parametrize(
    ("damage", "csv_rows", "event_rows"),
    [
        (lambda csv, events: csv.unlink(), [30, 40], [10, 20, 30, 40]),
        (lambda csv, events: csv.write_text(""), [30, 40], [10, 20, 30, 40]),
        (lambda csv, events: cut(csv, 1), [10, 30, 40], [10, 20, 30, 40]),
        (lambda csv, events: events.unlink(), [10, 20, 30, 40], [30, 40]),
        (lambda csv, events: cut(events, 1), [10, 20, 30, 40], [30, 40]),
        (lambda csv, events: (csv.unlink(), events.unlink()), [30, 40], [30, 40]),
    ],
)
def test_a_log_whose_files_were_lost_or_shortened_goes_on_with_one_warning(
    tmp_path, damage, csv_rows, event_rows
):
    assert gone_on(tmp_path, damage) == (csv_rows, event_rows)
    assert len(list(tmp_path.glob("events.out.tfevents.*"))) == 1


def test_a_flush_that_fails_loses_no_row(tmp_path):
    log = MetricsLog(tmp_path / "run", {})
    (tmp_path / "run").mkdir()
    log.flush()
    (tmp_path / "run").rename(tmp_path / "gone")
    write(log, 10)
    with pytest.raises(FileNotFoundError):
        log.flush()
    (tmp_path / "gone").rename(tmp_path / "run")
    write(log, 20)
    log.flush()
    assert_rows(tmp_path / "run", 10, 20)
