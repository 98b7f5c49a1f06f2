"""``python -m ticketstream`` is the same as the ``ticketstream`` command."""

from ticketstream.cli import main

main()
