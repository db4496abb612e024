"""python -m vecac.export RUN --to FILE: a run's policy for use without vecac.

Whatever loads torch is imported inside the functions, as in vecac.train.
"""

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import tyro

from vecac.runs.saved_policy import load_policy
from vecac.shell.command_line import run_command
from vecac.shell.console import Console


@dataclass(frozen=True)
class ExportOptions:
    """Write a run's policy, normalisation included, to a file that can be used without vecac."""

    run: Annotated[Path, tyro.conf.Positional]
    """The run folder, as vecac.train printed it, or one of its checkpoints."""
    to: Path
    """The file: .onnx for ONNX Runtime, .npz for NumPy alone, .pt2 for torch.export.load."""
    checkpoint: str | None = None
    """best, latest, or the env steps at which one was kept; left out, best if there is one."""


def _command(values: dict[str, Any]) -> int:
    from vecac.exports.exporting import NUM_DRAWN, export, require_exportable

    options = ExportOptions(**values)
    require_exportable(options.to)
    saved = load_policy(options.run, options.checkpoint)
    with Console(0, quiet=False).waiting(f"exporting to {options.to}"):
        exported = export(saved, options.to)
    print(
        f"{options.to}: {saved.config.env_id}, {saved.name} parameters after {saved.content['env_steps']:,} "
        f"env steps; obs (batch, {saved.network.spec.obs_size}) float32 -> {', '.join(exported.outputs)}; "
        f"differs from the policy by {exported.difference:.0e} at most, on {NUM_DRAWN:,} observations"
    )
    return 0


def main(argv: Sequence[str] | None = None) -> int:
    """The command line; returns the exit code."""
    return run_command(ExportOptions, "python -m vecac.export", argv, _command)


if __name__ == "__main__":
    sys.exit(main())
