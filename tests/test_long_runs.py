"""Counters past the limits of 32 bits, files that stay small, memory that stays where it is."""

import json
import os
import subprocess
import time
from pathlib import Path

import pytest
import torch
from support import read_csv, read_scalars, start

import vecac.train
from vecac.config import Config
from vecac.recording import checkpoint

MEGABYTE = 1_000_000


def put_forward(run_dir, env_steps, updates):
    """Set the counters of a saved run, as if it had run for weeks."""
    path = run_dir / "checkpoints" / "latest.pt"
    content = checkpoint.load(path)
    ahead = env_steps - content["env_steps"]
    if "progress" in content["engine"]:
        counters = content["engine"]["progress"].view(torch.int64)
        assert counters[:2].tolist() == [content["env_steps"], content["updates"]]
        counters[:2] = torch.tensor([env_steps, updates])
    content |= {"env_steps": env_steps, "updates": updates}
    content["run"]["clock"]["row_env_steps"] += ahead
    del content["format_version"]
    checkpoint.save(path, content)


@pytest.mark.parametrize("limit", [2**31, 2**32, 2**53])
@pytest.mark.parametrize("engine", [{"engine": "fused"}, {"engine": "vector"}, {"learner": "torch"}], ids=str)
def test_counters_are_exact_past_the_limits_of_32_bits(engine, limit, tmp_path):
    begin, total = limit - 1000, limit + 3000
    config = Config(
        **engine, total_timesteps=800, log_interval=500, eval_episodes=0, quiet=True, log_dir=str(tmp_path)
    )
    first = vecac.train.train(config)
    put_forward(first.run_dir, begin, limit - 5)
    result = vecac.train.resume(first.run_dir, total_timesteps=total)
    assert total <= result.env_steps < total + 160
    written = json.loads((first.run_dir / "result.json").read_text())
    saved = checkpoint.load(first.run_dir / "checkpoints" / "latest.pt")
    for name in ("env_steps", "updates"):
        assert written[name] == saved[name] == getattr(result, name)
    # Between 140 valid rows an update, at the least, and 160.
    assert (total - begin) / 160 <= result.updates - (limit - 5) <= (total - begin) / 140 + 1
    rows = [int(row["time/total_timesteps"]) for row in read_csv(first.run_dir)]
    assert rows[-1] == result.env_steps
    later = [step for step in rows if step > begin]
    for step, grid in zip(later, range(begin // 500 + 1, total // 500 + 1), strict=False):
        assert grid * 500 <= step < grid * 500 + 160
    points = read_scalars(first.run_dir)["train/n_updates"]
    assert [step for step, _ in points] == rows


@pytest.mark.slow
@pytest.mark.parametrize(
    ("flags", "total"),
    [(("--engine", "fused"), 200_000_000), (("--engine", "vector"), 20_000_000)],
    ids=["fused", "vector"],
)
@pytest.mark.linux
def test_memory_and_files_stay_small(flags, total, tmp_path):
    """Resident memory at the end is within 5 % of that at a tenth; 200 rows are all that is written."""
    process = start(
        *("-m", "vecac.train", *flags, "--total-timesteps", total, "--log-dir", tmp_path, "--quiet"),
        *("--checkpoint-interval", "1", "--eval-episodes", "0"),
        stderr=subprocess.PIPE,
        seconds=1800,
    )
    resident = {}
    while process.poll() is None:
        pages = int(Path(f"/proc/{process.pid}/statm").read_text().split()[1] or 0)
        for path in tmp_path.glob("[!.]*/progress.csv"):
            rows = path.read_bytes().count(b"\n") - 1
            if pages:
                resident[rows] = pages * os.sysconf("SC_PAGE_SIZE")
        time.sleep(0.1)
    assert (process.returncode, process.stderr.read()) == (0, "")
    at_a_tenth = next(size for rows, size in sorted(resident.items()) if rows >= 20)
    at_the_end = resident[max(rows for rows in resident if rows < 200)]
    print(f"{total:,} env steps: {at_a_tenth / 1e6:.1f} MB at a tenth, {at_the_end / 1e6:.1f} MB at the end")
    assert at_the_end < 1.05 * at_a_tenth
    (run_dir,) = tmp_path.glob("[!.]*")
    assert len(read_csv(run_dir)) == 200
    assert sum(path.stat().st_size for path in run_dir.glob("events.*")) < 5 * MEGABYTE


def test_the_event_file_grows_by_rows_and_not_by_env_steps(tmp_path):
    """A row takes under 1.5 kB, so the 200 rows of a run with the default interval stay under 0.3 MB."""
    sizes = {}
    for total in (200_000, 2_000_000):
        config = Config(
            engine="fused", total_timesteps=total, eval_episodes=0, quiet=True, log_dir=str(tmp_path)
        )
        run_dir = vecac.train.train(config).run_dir
        (events,) = run_dir.glob("events.*")
        sizes[total] = events.stat().st_size
        assert len(read_csv(run_dir)) == 200
    assert 0.98 < sizes[2_000_000] / sizes[200_000] < 1.02
    assert max(sizes.values()) < 0.3 * MEGABYTE
