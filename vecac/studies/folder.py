"""The folder of a study: its design, a row and a curve a run as they come in, and its tables at the end.

runs.csv and curves.part grow by a run's row and curve, flushed together, curves first. At each end the
rows are sorted, and the curves stand in curves.npz. Whatever is on disk when the process dies is enough to
go on from: a row whose curve is missing is done again.

Shapes: G points of a curve.
"""

import csv
import dataclasses
import io
import json
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, get_type_hints

import numpy as np
from numpy.typing import NDArray

from vecac.errors import UsageError
from vecac.recording.files import GrowingFile, write_atomically
from vecac.runs.run_folder import create_folder, describe_maker, write_json
from vecac.studies.design import Design
from vecac.studies.outcome import POINTS, Outcome
from vecac.version import __version__

FORMAT_VERSION = 1

FLUSH_SECONDS = 0.5
"""How late a row may be on disk."""

CURVE = np.dtype([("setting", np.int64), ("seed", np.int64), ("return_mean", np.float32, (POINTS,))])
FIELDS = tuple(field.name for field in dataclasses.fields(Outcome) if field.name != "curve_G")


class StudyFolder:
    """A study's folder, and the outcomes that it holds.

    design: of the study. outcomes: by setting and seed, of the runs that are done.

    Raises:
        UsageError: everything that writes, if it cannot.
    """

    def __init__(self, path: Path, design: Design, outcomes: Iterable[Outcome] = ()) -> None:
        self.path, self.design = path, design
        self.outcomes = {(outcome.setting, outcome.seed): outcome for outcome in outcomes}
        self._flushed_at = -FLUSH_SECONDS
        self._rows, self._curves = GrowingFile(path / "runs.csv"), GrowingFile(path / "curves.part")

    def begin(self) -> None:
        """Write down what is done, for the next rows to follow; half a row of a process that died goes."""
        self._curves = self._written_anew("curves.part", map(_curve_record, self._sorted()))
        self._rows = self._written_anew("runs.csv", self._table())

    def add(self, outcome: Outcome) -> None:
        """Take in a finished run, for the next flush."""
        self.outcomes[outcome.setting, outcome.seed] = outcome
        self._curves.add(_curve_record(outcome))
        self._rows.add(self._row(outcome))

    def flush(self, is_end: bool = False) -> None:
        """Put the rows so far on disk, safe from a power failure, if it is time to."""
        is_due = is_end or time.monotonic() - self._flushed_at > FLUSH_SECONDS
        if is_due and self._rows.end > self._rows.size:
            with self.disk_errors():
                self._curves.flush(durably=True)
                self._rows.flush(durably=True)
            self._flushed_at = time.monotonic()

    def end(self) -> None:
        """Sort the rows, and put the curves into curves.npz."""
        records = np.frombuffer(b"".join(map(_curve_record, self._sorted())), CURVE)
        buffer = io.BytesIO()
        columns: dict[str, Any] = {name: records[name] for name in CURVE.names or ()}
        np.savez(buffer, **columns)
        self._written_anew("curves.npz", [buffer.getvalue()])
        self._rows = self._written_anew("runs.csv", self._table())
        with self.disk_errors():
            self._curves.path.unlink(missing_ok=True)

    def add_settings(self, settings: Sequence[dict[str, Any]]) -> None:
        """Take in what a search proposes; study.json has it too."""
        self.design = dataclasses.replace(self.design, settings=(*self.design.settings, *settings))
        with self.disk_errors():
            content = json.loads((self.path / "study.json").read_text(encoding="utf-8"))
            write_json(self.path / "study.json", {**content, "design": self.design.to_dict()})

    def write(self, name: str, content: dict[str, Any]) -> None:
        """Write a JSON file, whole or not at all."""
        with self.disk_errors():
            write_json(self.path / name, content)

    def write_text(self, name: str, text: str) -> None:
        """Write a text file, whole or not at all."""
        self._written_anew(name, [text.encode()])

    def _sorted(self) -> list[Outcome]:
        return [self.outcomes[key] for key in sorted(self.outcomes)]

    def _table(self) -> Iterator[bytes]:
        yield _csv_line([*FIELDS[:2], *self.design.varied, *FIELDS[2:]])
        yield from map(self._row, self._sorted())

    def _row(self, outcome: Outcome) -> bytes:
        # A search that goes on finds its settings anew.
        settings = self.design.settings[outcome.setting - 1 : outcome.setting]
        setting = settings[0] if settings else {}
        cells = [getattr(outcome, name) for name in FIELDS]
        return _csv_line([*cells[:2], *(setting.get(name) for name in self.design.varied), *cells[2:]])

    def _written_anew(self, name: str, pieces: Iterable[bytes]) -> GrowingFile:
        content = b"".join(pieces)
        with self.disk_errors():
            write_atomically(self.path / name, content)
        return GrowingFile(self.path / name, len(content))

    @contextmanager
    def disk_errors(self) -> Iterator[None]:
        """Tell in one line of UsageError what cannot be written."""
        try:
            yield
        except OSError as error:
            raise UsageError(
                f"{self.path} cannot be written to ({error.strerror}): the runs on disk are whole; once that "
                f"is cured, go on with --resume {self.path}"
            ) from error


def create_study_folder(design: Design) -> StudyFolder:
    """A new folder for a design, {log_dir}/study__{env_id}__{run_name}__{time}/.

    Raises:
        UsageError: the log folder cannot be written to.
    """
    description = {"format_version": FORMAT_VERSION, "design": design.to_dict(), **describe_maker()}

    def fill(folder: Path) -> None:
        write_json(folder / "study.json", description)

    names = ("study", design.base.env_id, design.base.run_name)
    return StudyFolder(create_folder(design.base.log_dir, names, fill), design)


def read_study(path: Path) -> StudyFolder:
    """A study and what is done of it.

    Raises:
        UsageError: the folder is none of a study, is damaged, or was made by another version of vecac.
    """
    try:
        content = json.loads((path / "study.json").read_text(encoding="utf-8"))
    except OSError as error:
        raise UsageError(
            f"{path} is not a study's folder (study.json cannot be read: {error.strerror}): name one that "
            "vecac.study printed"
        ) from error
    except ValueError as error:
        raise UsageError(f"{path / 'study.json'} is damaged: it is not JSON") from error
    try:
        maker, format_version = content["versions"]["vecac"], content["format_version"]
    except (KeyError, TypeError) as error:
        raise UsageError(f"{path / 'study.json'} is damaged: it does not hold a study") from error
    if (format_version, maker) != (FORMAT_VERSION, __version__):
        raise UsageError(
            f"{path} was made by vecac {maker}, and this is {__version__}: its runs would not be "
            "comparable; use that version, or start a new study"
        )
    try:
        design = Design.from_dict(content["design"])
    except (KeyError, TypeError, AttributeError, IndexError, ValueError) as error:
        why = f": {error}" if isinstance(error, UsageError) else ""
        raise UsageError(f"{path / 'study.json'} is damaged: it does not hold a study{why}") from error
    return StudyFolder(path, design, _read_outcomes(path, design))


def _read_outcomes(path: Path, design: Design) -> Iterator[Outcome]:
    """Of the whole rows whose curves are there."""
    curves = _read_curves(path)
    try:
        content = (path / "runs.csv").read_bytes()
        text = content[: content.rfind(b"\n") + 1].decode()
        rows = list(csv.DictReader(io.StringIO(text, newline="")))
    except FileNotFoundError:
        return
    except (OSError, ValueError, csv.Error) as error:
        raise UsageError(
            f"{path / 'runs.csv'} cannot be read ({error}): without it, all runs are new"
        ) from error
    for row in rows:
        try:
            outcome = _outcome(row, curves)
        except (ValueError, TypeError, KeyError) as error:
            raise UsageError(
                f"{path / 'runs.csv'} is damaged: take the line out that begins with "
                f"{','.join(map(str, list(row.values())[:2]))}, and its run is done again"
            ) from error
        if outcome is not None and 1 <= outcome.setting <= design.num_settings:
            yield outcome


def _outcome(row: dict[str, str], curves: dict[tuple[int, int], NDArray[np.float32]]) -> Outcome | None:
    key = int(row["setting"]), int(row["seed"])
    if key not in curves:
        return None
    values = {
        name: _parse(row[name], hint) for name, hint in get_type_hints(Outcome).items() if name in FIELDS
    }
    return Outcome(**values, curve_G=curves[key])


def _parse(cell: str, hint: Any) -> Any:
    kinds = getattr(hint, "__args__", (hint,))
    if cell == "" and type(None) in kinds:
        return None
    return next(kind for kind in (int, float, str) if kind in kinds)(cell)


def _read_curves(path: Path) -> dict[tuple[int, int], NDArray[np.float32]]:
    """Curves (G,) by setting and seed."""
    parts = []
    if (path / "curves.npz").is_file():
        try:
            with np.load(path / "curves.npz") as saved:
                columns = [saved[name] for name in CURVE.names or ()]
            parts.append(tuple(columns))
            if columns[2].shape != (len(columns[0]), POINTS) or columns[0].shape != columns[1].shape:
                raise ValueError("its arrays do not belong together")
        except Exception as error:  # of numpy, of zipfile and of zlib
            raise UsageError(
                f"{path / 'curves.npz'} is damaged: delete it, and the runs are done again"
            ) from error
    if (path / "curves.part").is_file():
        content = (path / "curves.part").read_bytes()
        records = np.frombuffer(content[: len(content) // CURVE.itemsize * CURVE.itemsize], CURVE)
        parts.append((records["setting"], records["seed"], records["return_mean"]))
    return {
        (int(setting), int(seed)): curve
        for columns in parts
        for setting, seed, curve in zip(*columns, strict=True)
    }


def _curve_record(outcome: Outcome) -> bytes:
    record = np.zeros(1, CURVE)
    record["setting"], record["seed"], record["return_mean"] = outcome.setting, outcome.seed, outcome.curve_G
    return record.tobytes()


def _csv_line(cells: Sequence[Any]) -> bytes:
    buffer = io.StringIO(newline="")
    csv.writer(buffer).writerow(cells)
    return buffer.getvalue().encode()
