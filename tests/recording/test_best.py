"""best.pt is of the highest mean, whether it can be written or not."""

import pytest
import torch

from vecac.recording import checkpoint
from vecac.recording.best import BestCheckpoint


def content(env_steps):
    counters = {"env_steps": env_steps, "updates": 1}
    return {"config": {}, "network": {"weight": torch.zeros(1)}, "optimizer": {}, **counters}


def resumed_best(folder, mean):
    best = BestCheckpoint(folder / "best.pt", {})
    best.load_state_dict(mean)
    return best


def test_only_a_higher_mean_replaces_it(tmp_path):
    best = BestCheckpoint(tmp_path / "best.pt", {})
    best.offer(None, lambda: 1 / 0)
    assert best.content() is None
    for step, (mean, expected) in enumerate([(-5.0, 0), (-5.0, 0), (3.0, 2), (2.0, 2)]):
        best.offer(mean, lambda step=step: content(step))
        assert best.content()["env_steps"] == expected
        best.save()
        assert best.content()["env_steps"] == expected
        assert checkpoint.load(tmp_path / "best.pt")["env_steps"] == expected


def test_it_is_written_once(tmp_path):
    best = BestCheckpoint(tmp_path / "best.pt", {})
    best.offer(1.0, lambda: content(1))
    best.save()
    (tmp_path / "best.pt").unlink()
    best.save()
    assert not (tmp_path / "best.pt").exists()
    assert best.content() is None


def test_it_is_a_copy(tmp_path):
    network = content(1)
    checkpoint.save(tmp_path / "best.pt", content(0))
    best = resumed_best(tmp_path, 3.0)
    best.offer(3.0, lambda: network)
    assert best.content()["env_steps"] == 0
    best.offer(4.0, lambda: network)
    network["network"]["weight"] += 1
    assert best.content()["network"]["weight"].item() == 0
    assert best.mean == 4.0


def test_what_cannot_be_written_stays(tmp_path):
    best = BestCheckpoint(tmp_path / "away" / "best.pt", {})
    best.offer(1.0, lambda: content(7))
    with pytest.raises(OSError):
        best.save()
    (tmp_path / "away").mkdir()
    best.save()
    assert best.content()["env_steps"] == 7


def test_a_file_that_is_none_of_the_runs_is_told_of_and_put_aside(tmp_path):
    path, other = tmp_path / "best.pt", content(5) | {"config": {"env_id": "Another-v0"}}
    for data, said in ((b"nothing", "best.pt is damaged"), (checkpoint.encode(other), "is of another run")):
        path.write_bytes(data)
        with pytest.warns(UserWarning, match=said):
            best = resumed_best(tmp_path, 400.0)
        assert best.env_steps is None and not path.exists()
        assert (tmp_path / "best.damaged").read_bytes() == data
        best.offer(3.0, lambda: content(9))  # whatever the lost one's mean was
        best.save()
        assert (best.env_steps, checkpoint.load(path)["env_steps"]) == (9, 9)


def test_a_file_that_has_gone_is_told_of_and_made_up_for(tmp_path):
    with pytest.warns(UserWarning, match="best.pt has gone"):
        best = resumed_best(tmp_path, 400.0)
    best.offer(3.0, lambda: content(9))
    assert best.content()["env_steps"] == 9
