"""The tables of speed on the pages, made from benchmarks/records: no figure there is typed by hand."""

import json
from itertools import zip_longest
from pathlib import Path
from statistics import median

from score_rows import Task, summarize_task

from vecac.studies import report
from vecac.studies.design import Design

RECORDS = Path(__file__).parents[1] / "benchmarks" / "records"

SHORT = ["sync 16", "vector 4096"]
SHORT_FUSED = [(16, 1), (4096, 2)]
LONG = [
    *("sync 1", "sync 16", "sync 64", "sync 256"),
    *("vector 1", "vector 16", "vector 64", "vector 256", "vector 4096", "async 16"),
]
LONG_FUSED = [(1, 1), (16, 1), (256, 1), (256, 2), (4096, 1), (4096, 2)]
PEERS = {
    "Stable-Baselines3 A2C, one torch thread": ("sb3", 1),
    "Stable-Baselines3 A2C, two torch threads": ("sb3", 2),
    "JAX on gymnax, jax.grad": ("jax-grad", 2),
    "JAX on gymnax, one pass by hand": ("jax", 2),
}
TRAINERS = {
    "fused": "`--engine fused --learning-rate 1e-3`",
    "sb3-ppo": "Stable-Baselines3 PPO, its Zoo's settings",
    "sb3-a2c": "Stable-Baselines3 A2C, its Zoo's settings",
}


def record(benchmark, which):
    """The newest record of that name."""
    *_, newest = sorted(RECORDS.glob(f"{benchmark}__{which}__*.json"))
    return json.loads(newest.read_text())


def provenance(measured):
    """Where and of what a record is, in words."""
    versions = measured["versions"]
    packages = ", ".join(f"{name} {versions[name].partition('+')[0]}" for name in ("torch", "gymnasium"))
    return f"{measured['hardware']['cores']} cores of an {measured['hardware']['cpu']}, {packages}"


def engines(short):
    """What each engine reaches beside the environments alone and the notebook, from steps_per_sec.py."""
    measured = record("steps_per_sec", "defaults")
    rows = {row["name"]: row for row in measured["rows"]}
    lines = [
        f"Env steps a second on CartPole-v1 ({provenance(measured)}), where the",
        f"notebook's loop, from which vecac grew, made {rows['notebook']['median']:,.0f}"
        + (" ([how, and beside others](docs/performance.md)):" if short else ":"),
        "",
        "| engine, copies | environments alone | training by torch | training | training x notebook |",
        "| --- | --- | --- | --- | --- |",
    ]
    for name in SHORT if short else LONG:
        alone, torch, training = (
            rows[f"{name}, {what}"] for what in ("environments alone", "training by torch", "training")
        )
        speeds = " | ".join(f"{row['median']:,.0f}" for row in (alone, torch, training))
        lines.append(f"| {copies(name)} | {speeds} | {training['ratio_to_notebook']['median']:,.1f} |")
    for num_envs, threads in SHORT_FUSED if short else LONG_FUSED:
        row = rows[f"fused {num_envs}, training, {threads} thread(s)"]
        label = f"{copies(f'fused {num_envs}')}, {threads} thread{'s' if threads > 1 else ''}"
        lines.append(f"| {label} | | | {row['median']:,.0f} | {row['ratio_to_notebook']['median']:,.0f} |")
    return lines


def beyond_defaults():
    """What kernels reach with other networks and environments, from beyond_defaults.py."""
    lines = [
        "| environment | trained by | env steps a second | times | beside |",
        "| --- | --- | --- | --- | --- |",
    ]
    for row in record("beyond_defaults", "all")["rows"]:
        speed, ratio = median(row["env_steps_per_s"]), row["ratio"]["median"]
        lines.append(
            f"| {row['environment']} | {row['name']} | {speed:,.0f} | {ratio:,.2f} | {row['beside']} |"
        )
    return lines


def copies(name):
    """ "vector 4096" as "vector, 4,096"."""
    engine, num_envs = name.split()
    return f"{engine}, {int(num_envs):,}"


def peers():
    """How many times as fast the fused engine trains, from peers.py."""
    rows = record("peers", "defaults")["rows"]
    lines = [f"| copies | {' | '.join(PEERS)} |", "| --- " * (len(PEERS) + 1) + "|"]
    for num_envs in (16, 256):
        cells = []
        for contestant, threads in PEERS.values():
            found = [
                row["ratio_fused_to_it"]["2"]["median"]
                for row in rows
                if (row["contestant"], row["num_envs"], row["what"]) == (contestant, num_envs, "training")
                and row["num_threads"] == threads
                and row["status"] == "measured"
            ]
            cells.append(f"{found[0]:,.1f} x" if found else "-")
        lines.append(f"| {num_envs:,} | {' | '.join(cells)} |")
    return lines


def solve():
    """How long CartPole-v1 takes to be solved, from time_to_solve.py."""
    lines = [
        "| trainer | seeds solved | seconds from the first env step | seconds of start-up and end |",
        "| --- | --- | --- | --- |",
    ]
    for which, label in TRAINERS.items():
        (row,) = record("time_to_solve", which)["rows"]
        seconds, rest = (row[key]["median"] for key in ("seconds_to_solve", "start_up_seconds"))
        lines.append(f"| {label} | {row['solved']} of {row['seeds']} | {seconds:.2f} | {rest:.2f} |")
    return lines


ZOO = {
    **{"CartPole-v1, 500 k": 500.0, "Acrobot-v1, 500 k": -83.4, "MountainCar-v0, 1 M": -111.3},
    **{"LunarLander-v3, 1 M": None, "LunarLander-v3, 3 M": None, "Pendulum-v1, 1 M": -163.0},
    **{
        "MountainCarContinuous-v0, 300 k": 91.2,
        "BipedalWalker-v3, 5 M": 299.8,
        "HalfCheetah-v5, 1 M": 3041.0,
    },
    **{"Hopper-v5, 1 M": 733.0, "Walker2d-v5, 1 M": 582.0, "Swimmer-v5, 1 M": 201.0},
}
"""What the Zoo publishes of its A2C, one run each; it has no such number of env steps for LunarLander."""


def score_rows(against):
    """By name, of the newest record that has it beside this peer, and those that go on with its seeds,
    beside A2C of vecac alone (against nobody) too."""
    rows = {}
    for path in sorted(RECORDS.glob("scores__*.json")):
        record = json.loads(path.read_text())
        goes_on = record["settings"].get("seed", 1) > 1
        beside = ("a2c", "nobody") if goes_on and against == "a2c" else (against,)
        for row in record["rows"] if record["settings"]["against"] in beside else ():
            name = row["name"]
            rows[name] = joined(rows[name], row) if goes_on else row
    return rows


def joined(row, more):
    """A row of the runs of both."""
    task = Task(row["env_id"], row["env_steps"], row["score"])
    added = {name: summary["runs"] for name, summary in more["trainers"].items()}
    runs = {name: [*own["runs"], *added.get(name, [])] for name, own in row["trainers"].items()}
    return summarize_task(task, runs)


def scores():
    """Greedy returns of vecac's shipped settings beside Stable-Baselines3's A2C, from scores.py."""
    rows = score_rows("a2c")
    lines = [
        "| environment, env steps | Zoo's A2C, published | Stable-Baselines3's A2C | vecac | worst seed "
        "| difference | seconds, theirs | ours | ours / theirs |",
        "| --- | --- | --- | --- | --- | --- | --- | --- | --- |",
    ]
    for name, published in ZOO.items():
        first = f"| {name} | {'' if published is None else f'{published:,.1f}'} |"
        if name not in rows:
            lines.append(f"{first} not measured | | | | | | |")
            continue
        row = rows[name]
        ours, theirs = row["trainers"]["vecac"], row["trainers"]["a2c"]
        difference = f"{ours['greedy_mean'] - theirs['greedy_mean']:+,.1f}"
        if row["greedy_difference"] is not None:  # of one seed it has no interval
            low, high = row["greedy_difference"]["interval"]
            difference += f" ({low:+,.1f} to {high:+,.1f})"
        lines.append(
            f"{first} {with_interval(theirs)} | {with_interval(ours)} | {ours['greedy_worst']:,.1f} "
            f"| {difference} | {theirs['seconds']:,.0f} | {ours['seconds']:,.0f} "
            f"| {row['seconds_ratio']:.2f} |"
        )
    return lines


def with_interval(summary):
    """Of one seed there is none."""
    if summary["greedy_interval"] is None:
        return f"{summary['greedy_mean']:,.1f} (1 seed)"
    low, high = summary["greedy_interval"]
    return f"{summary['greedy_mean']:,.1f} ({low:,.1f} to {high:,.1f}; {summary['seeds']} seeds)"


def scores_of(env_id):
    """What its settings file says of them, as comments."""
    rows = [row for row in score_rows("a2c").values() if row["env_id"] == env_id]
    if not rows:
        return [f"# For {env_id}; not scored."]
    lines = [f"# For {env_id}. Greedy return of the last parameters, beside others in docs/scores.md:"]
    for row in rows:
        steps = row["name"].removeprefix(f"{env_id}, ")
        lines.append(f"# {with_interval(row['trainers']['vecac'])} after {steps} env steps.")
    return lines


def scores_in_short():
    """Two environments a line: mean greedy returns, and the share of the time."""
    rows = score_rows("a2c")
    measured = [(name, rows[name], rows[name]["trainers"]) for name in ZOO if name in rows]
    cells = [
        f"{name} | {by['a2c']['greedy_mean']:,.1f} | {by['vecac']['greedy_mean']:,.1f} "
        f"| {row['seconds_ratio']:.2f}"
        for name, row, by in measured
    ]
    half = -(-len(cells) // 2)
    pairs = zip_longest(cells[:half], cells[half:], fillvalue=" | | |")
    return [
        "| environment, env steps | A2C | vecac | time " * 2 + "|",
        "| --- | --- | --- | --- " * 2 + "|",
        *(f"| {left} | {right} |" for left, right in pairs),
    ]


def against_ppo():
    """Seconds of training to a mean return, beside Stable-Baselines3's PPO with its Zoo's settings."""
    lines = ["| environment | mean return | PPO, seconds | vecac, seconds |", "| --- | --- | --- | --- |"]
    for row in score_rows("ppo").values():
        theirs, ours = (until_score(row["trainers"][name]) for name in ("ppo", "vecac"))
        lines.append(f"| {row['env_id']} | {row['score']:,.0f} | {theirs} | {ours} |")
    return lines


def until_score(summary):
    reached = f"{summary['reached_score']} of {summary['seeds']}"
    seconds = summary["score_at_seconds"]
    return f"none of {summary['seeds']} seeds" if seconds is None else f"{seconds:,.0f} ({reached} seeds)"


STUDIES = ("defaults", "choices", "lambda", "rates", "search")

MOST_ROWS = 12
"""Settings of a study that a page shows."""


def study(name):
    """The leading settings of a study, from its summary; and what a search found."""
    folder = RECORDS / "studies" / name
    design = Design.from_dict(json.loads((folder / "study.json").read_text())["design"])
    summary = json.loads((folder / "summary.json").read_text())
    header, rows = report.table(design, summary)
    lines = report.markdown_table(header, rows[:MOST_ROWS]).splitlines()
    return [*lines, "", *report.found(summary)] if "found" in summary else lines


def study_times():
    """Settings by the median of the seconds until a run was solved, where all runs were."""
    folder = RECORDS / "studies" / "rates"
    design = Design.from_dict(json.loads((folder / "study.json").read_text())["design"])
    summary = json.loads((folder / "summary.json").read_text())
    solved = {row["setting"]: row["solved_share"]["value"] for row in summary["settings"]}
    times = [row for row in summary["times"] if solved[row["setting"]] == 1]
    lines = ["| setting | seconds until solved | env steps a second |", "| --- | --- | --- |"]
    for row in sorted(times, key=lambda row: row["solved_at_seconds"])[:5]:
        name = design.describe(row["setting"])
        lines.append(f"| {name} | {row['solved_at_seconds']:.3f} | {row['env_steps_per_s']:,.0f} |")
    return lines


def study_peers():
    """A whole study beside what else trains, from benchmarks/study_peers.py."""
    rows = json.loads(sorted(RECORDS.glob("study_peers__*.json"))[-1].read_text())["rows"]
    lines = ["| env steps a second | median | a study's share of it |", "| --- | --- | --- |"]
    lines += [f"| {row['name']} | {row['median']:,.0f} | {row['study_ratio']:.2f} |" for row in rows]
    first = sorted(each["first_row_seconds"] for each in rows[0]["studies"])
    memory = list(rows[0]["worker_megabytes"].values())
    return [
        *lines,
        "",
        f"The first run's row was on disk {first[len(first) // 2]:.1f} s after the command. A worker had "
        f"{memory[0]:.0f} MB after 10 runs and {memory[1]:.0f} MB after 1,000.",
    ]
