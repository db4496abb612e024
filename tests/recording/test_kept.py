import pytest

from vecac.recording import checkpoint
from vecac.recording.kept import MOST_UNSAVED, KeptCheckpoints, kept_checkpoints


def content(env_steps):
    return {"config": {}, "network": {}, "optimizer": {}, "env_steps": env_steps, "updates": 1}


def test_one_is_due_at_each_multiple(tmp_path):
    kept = KeptCheckpoints(tmp_path, 100, None)
    assert kept.next_at() == 100
    for env_steps, due in ((100, 200), (260, 300), (420, 500)):
        kept.add(env_steps, content(env_steps))
        assert kept.next_at() == due
    kept.save()
    assert kept_checkpoints(tmp_path) == [100, 260, 420]
    assert checkpoint.load(tmp_path / "260.pt")["env_steps"] == 260


def test_none_ever_is(tmp_path):
    assert KeptCheckpoints(tmp_path, 0, None).next_at() is None


def test_the_newest_stay(tmp_path):
    kept = KeptCheckpoints(tmp_path, 100, 2)
    for env_steps in (100, 200, 300, 1000):
        kept.add(env_steps, content(env_steps))
        kept.save()
    assert kept_checkpoints(tmp_path) == [300, 1000]


@pytest.mark.parametrize(("most", "expected"), [(3, 3), (None, MOST_UNSAVED)])
def test_what_cannot_be_written_waits(tmp_path, most, expected):
    folder = tmp_path / "gone"
    kept = KeptCheckpoints(folder, 10, most)
    for env_steps in range(10, 10 * (MOST_UNSAVED + 5), 10):
        kept.add(env_steps, content(env_steps))
        with pytest.raises(OSError, match="gone"):
            kept.save()
    folder.mkdir()
    kept.save()
    newest = 10 * (MOST_UNSAVED + 4)
    assert kept_checkpoints(folder) == list(range(newest - 10 * (expected - 1), newest + 1, 10))


def test_going_on_takes_away_what_came_later(tmp_path):
    kept = KeptCheckpoints(tmp_path, 100, None)
    states = {}
    for env_steps in (100, 200, 300):
        kept.add(env_steps, content(env_steps))
        states[env_steps] = kept.state_dict()
    kept.save()
    resumed = KeptCheckpoints(tmp_path, 100, None)
    resumed.load_state_dict(states[200])
    assert resumed.next_at() == 300
    assert kept_checkpoints(tmp_path) == [100, 200, 300]  # reading a state changes no file
    resumed.save()
    assert kept_checkpoints(tmp_path) == [100, 200]
    resumed.add(300, content(300))
    resumed.save()
    assert kept_checkpoints(tmp_path) == [100, 200, 300]


def test_what_is_kept_before_the_first_save_stays(tmp_path):
    for env_steps in (100, 200, 300):
        (tmp_path / f"{env_steps}.pt").touch()
    resumed = KeptCheckpoints(tmp_path, 100, None)
    resumed.load_state_dict(100)
    resumed.add(250, content(250))
    resumed.save()
    assert kept_checkpoints(tmp_path) == [100, 250]


def test_a_state_that_is_none(tmp_path):
    resumed = KeptCheckpoints(tmp_path, 100, None)
    with pytest.raises(ValueError, match="is no count"):
        resumed.load_state_dict(1.5)


def test_a_run_that_keeps_none_leaves_files_alone(tmp_path):
    (tmp_path / "300.pt").touch()
    kept = KeptCheckpoints(tmp_path, 0, None)
    kept.load_state_dict(0)
    kept.save()
    assert kept_checkpoints(tmp_path) == [300]


def test_they_are_in_the_order_of_env_steps(tmp_path):
    for name in ("900.pt", "1000.pt", "latest.pt", "best.pt", "800.txt", "²5.pt", "1000.pt.tmp"):
        (tmp_path / name).touch()
    assert kept_checkpoints(tmp_path) == [900, 1000]
