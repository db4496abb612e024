"""Other environments than CartPole, each beside what it is compared with; a small measurement."""

import json

import beyond_defaults
import pytest

from vecac.errors import UsageError


def test_a_small_measurement(tmp_path, capsys):
    path = tmp_path / "record.json"
    flags = ["--envs", "Acrobot-v1", "--seconds", "0.05", "--rounds", "3"]
    assert beyond_defaults.main([*flags, "--json", str(path)]) == 0
    (row,) = json.loads(path.read_text())["rows"]
    ratios = [a / b for a, b in zip(row["env_steps_per_s"], row["env_steps_per_s_beside"], strict=True)]
    assert row["ratio"] == {"median": sorted(ratios)[1], "min": min(ratios), "max": max(ratios)}
    assert row["ratio"]["median"] > 3
    assert f"{row['ratio']['median']:.2f}" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"envs": ("Pong-v0",)}, "--envs Pong-v0 is none of Pendulum"),
        ({"rounds": 0}, "--seconds and --rounds"),
    ],
)
def test_bad_flags_are_named(given, said):
    with pytest.raises(UsageError, match=f"^{said}"):
        beyond_defaults.Options(**given)
