"""For all tests."""

from __future__ import annotations

import signal

# A shell that starts the tests in the background has them ignore Ctrl-C, and so would every command
# they start: those that test what a Ctrl-C does would wait for ever.
signal.signal(signal.SIGINT, signal.default_int_handler)
