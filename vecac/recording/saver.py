"""One rule for whatever keeps a run from being saved: say so, train on, try again."""

from collections.abc import Callable


class Saver:
    """Tries to write, and tells the user once when that begins to fail, and once when it works again.

    Args:
        warn: tells the user.
        place: the run folder, as the user knows it.
    """

    def __init__(self, warn: Callable[[str], None], place: str) -> None:
        self._warn = warn
        self._place = place
        self.failure: str | None = None

    def attempt(self, write: Callable[[], None]) -> bool:
        """Call `write`; False, and `failure` says why, if it raised OSError."""
        try:
            write()
        except OSError as error:
            if self.failure is None:
                self._warn(
                    f"{self._place} cannot be written to: {error.strerror}; training goes on, and saving is "
                    "tried again"
                )
            self.failure = error.strerror or str(error)
            return False
        if self.failure is not None:
            self._warn(f"{self._place} can be written to again")
            self.failure = None
        return True
