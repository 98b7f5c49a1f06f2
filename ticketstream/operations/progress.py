"""How long work says what goes on: three kinds of hook for all of it."""

from __future__ import annotations

from collections.abc import Callable

ProgressHook = Callable[[str, str], None]
"""Told what goes on, as (step, detail): the step changes rarely, the detail may change twice a second."""
CountHook = Callable[[int], None]
"""Told how many are done."""
LineHook = Callable[[str], None]
"""Told a line for the person who waits."""
