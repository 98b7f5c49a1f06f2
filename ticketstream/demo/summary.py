"""The summary in words."""

from __future__ import annotations

from ticketstream.demo.figures import Figures, ImportFigures, Use


def summary_rows(figures: Figures) -> list[tuple[str, str]]:
    """Return the lines of the summary, each a name and what there is to say."""
    first, second = figures.first_import, figures.second_import
    zendesk, embedding = figures.zendesk, figures.embedding
    gone = figures.account_tickets - figures.searchable_tickets
    per_ticket = zendesk.calls.used / max(1, first.tickets)
    per_call = embedding.texts / max(1, embedding.calls.used)
    rows = [
        ("tickets", f"{first.tickets:,} in {first.seconds:.1f} s: {first.tickets_per_second:,.1f} tickets/s"),
        (
            "searchable",
            f"{figures.searchable_tickets:,} tickets as {figures.chunks:,} chunks, counted in Weaviate "
            f"(the other {gone:,} are deleted, spam or without text)",
        ),
        ("Zendesk", f"{quota_words(zendesk.calls, 'calls')}; {_refused(zendesk.refused)}"),
        ("", f"{per_ticket:.2f} calls a ticket; {zendesk.export.used:,} of the calls read the export"),
        ("Gemini", f"{quota_words(embedding.calls, 'calls')}; {_refused(embedding.refused)}"),
        ("", f"{embedding.texts:,} texts, {per_call:.1f} a call; {quota_words(embedding.tokens, 'tokens')}"),
        ("second import", second_words(second)),
        ("duplicates", f"{figures.duplicates_skipped:,} skipped"),
        ("dead letters", f"{figures.dead_letters:,}"),
        ("live changes", ", ".join(f"{each.change} {each.seconds:.1f} s" for each in figures.arrivals)),
    ]
    if figures.worker_restarts:
        rows.append(("workers", f"{figures.worker_restarts} ended and were started again"))
    return rows


def quota_words(use: Use, what: str) -> str:
    """Return use and quota, as ``2,030 calls of 2,500 a minute (98 % in 49.7 s)``."""
    return (
        f"{use.used:,} {what} of {use.quota_per_minute:,} a minute "
        f"({use.share:.0%} of the quota of {use.seconds:.0f} s)"
    ).replace("%", " %")


def second_words(second: ImportFigures) -> str:
    """Return what an import of an unchanged account did."""
    return (
        f"{second.tickets:,} tickets in {second.seconds:.1f} s, {second.duplicates_skipped:,} of them "
        f"duplicates; {second.embedding_calls:,} embedding calls, {second.vectors_uploaded:,} objects written"
    )


def _refused(count: int) -> str:
    return "none refused" if count == 0 else f"{count:,} refused"
