"""The errors that vecac explains itself, in one line."""


class UsageError(ValueError):
    """What the user gave cannot be used; the message names it and the remedy (exit code 2)."""


class RunFault(RuntimeError):
    """A run cannot go on, or could not be saved; the message says why (exit code 1)."""


class EnvironmentFault(RunFault):
    """An environment handed out something no learner may see; the message names it."""
