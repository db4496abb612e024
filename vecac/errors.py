"""The two kinds of error that vecac explains itself."""


class UsageError(ValueError):
    """What the user gave cannot be used; the message names it and the remedy (exit code 2)."""


class EnvironmentFault(RuntimeError):
    """An environment handed out something no learner may see; the message names it (exit code 1)."""
