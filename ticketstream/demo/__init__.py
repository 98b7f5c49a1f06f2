"""``ticketstream demo``: the whole story on one machine, with a sample account, in about a minute."""
