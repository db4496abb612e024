"""python -m vecac: which commands there are, or one of them."""

import importlib
import sys
from collections.abc import Sequence

import vecac

COMMANDS = {
    **{name: f"vecac.{name}" for name in ("train", "evaluate", "study", "compare", "export", "plot")},
    "runs": "vecac.runs.__main__",  # vecac.runs is the folder of what makes runs
}
"""By name, the module that has the command."""

OVERVIEW = f"""{vecac.__doc__}

python -m vecac.train                 train on copies of a Gymnasium environment
python -m vecac.evaluate logs/<run>   play episodes with the policy of a run
python -m vecac.study                 train by many settings with many seeds
python -m vecac.compare logs/<study>  compare it with others, seed by seed
python -m vecac.export logs/<run>     write its policy to a file that others play
python -m vecac.runs                  list the runs, and what they came to
python -m vecac.plot logs/<run> ...   draw learning curves of runs, or of groups
python benchmarks/steps_per_sec.py    measure speed, in a checkout

Each of them shows its flags with --help."""


def main(argv: Sequence[str] | None = None) -> int:
    """The command line; returns the exit code."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    command = arguments[0] if arguments else "--help"
    if command in COMMANDS:
        # Here, since the others would only be waited for.
        exit_code: int = importlib.import_module(COMMANDS[command]).main(arguments[1:])
        return exit_code
    if command not in ("-h", "--help", "--version"):
        print(f"error: there is no command {command!r}: use {', '.join(COMMANDS)}", file=sys.stderr)
        return 2
    print(f"vecac {vecac.__version__}" if command == "--version" else OVERVIEW)
    return 0


if __name__ == "__main__":
    sys.exit(main())
