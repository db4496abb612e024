"""The signals that ask a run to stop."""

import signal

STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM)
"""The command takes charge of them, and worker processes outlive them: the trainer ends these."""
