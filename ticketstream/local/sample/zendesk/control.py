"""A client of the sample Zendesk for tests and the demo: it steers the server, and works in it like a person.

What it writes goes through Zendesk's own endpoints, marked as done by a person in Zendesk's pages, so
that it needs no login, takes nothing from the API quota and meets no fault.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import httpx
import msgspec

from ticketstream.local.sample.zendesk.faults import Fault
from ticketstream.local.sample.zendesk.webhooks import Hook


class SampleZendeskControl:
    """Speaks to a sample Zendesk at ``base_url``; raises httpx.HTTPStatusError when it refuses."""

    def __init__(self, base_url: str, timeout: float = 60.0) -> None:
        headers = {"X-Sample-Person": "1"}
        self._client = httpx.Client(base_url=base_url, timeout=timeout, headers=headers, trust_env=False)

    def __enter__(self) -> SampleZendeskControl:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    # Zendesk's side: what people do with tickets.

    def create_ticket(self, subject: str, body: str, **fields: Any) -> dict[str, Any]:
        """Create a ticket and return its row; ``fields`` are a ticket's (``tags``, ``priority`` …)."""
        ticket = {"subject": subject, "comment": {"body": body}, **fields}
        row: dict[str, Any] = self._call("POST", "/api/v2/tickets.json", {"ticket": ticket})["ticket"]
        return row

    def update(self, ticket_id: int, **fields: Any) -> dict[str, Any]:
        """Set fields of a ticket and return its row; ``comment`` may be among them."""
        row: dict[str, Any] = self._call("PUT", f"/api/v2/tickets/{ticket_id}.json", {"ticket": fields})[
            "ticket"
        ]
        return row

    def add_comment(
        self,
        ticket_id: int,
        body: str = "",
        *,
        public: bool = True,
        author_id: int | None = None,
        html: str | None = None,
    ) -> int:
        """Add a comment and return its id."""
        said: dict[str, Any] = {"public": public, **({"html_body": html} if html else {"body": body})}
        if author_id is not None:
            said["author_id"] = author_id
        self.update(ticket_id, comment=said)
        number: int = self.truth_of(ticket_id)["comments"][-1]["id"]
        return number

    def set_status(self, ticket_id: int, status: str) -> dict[str, Any]:
        """Change a ticket's status and return its row."""
        return self.update(ticket_id, status=status)

    def delete(self, ticket_id: int) -> None:
        """Delete a ticket."""
        self._call("DELETE", f"/api/v2/tickets/{ticket_id}.json")

    def restore(self, ticket_id: int) -> None:
        """Bring a deleted ticket back."""
        self._call("PUT", f"/api/v2/deleted_tickets/{ticket_id}/restore.json", {})

    def delete_permanently(self, ticket_id: int) -> None:
        """Delete a ticket for good that has been deleted before."""
        self._call("DELETE", f"/api/v2/deleted_tickets/{ticket_id}.json")

    def mark_as_spam(self, ticket_id: int) -> None:
        """Mark a ticket as spam."""
        self._call("PUT", f"/api/v2/tickets/{ticket_id}/mark_as_spam.json", {})

    def merge(
        self, target_id: int, ids: Sequence[int], target_comment: str = "", source_comment: str = ""
    ) -> None:
        """Merge tickets into another one."""
        body = {"ids": list(ids), "target_comment": target_comment, "source_comment": source_comment}
        self._call("POST", f"/api/v2/tickets/{target_id}/merge.json", body)

    def make_private(self, ticket_id: int, comment_id: int) -> None:
        """Make a public comment an internal note."""
        self._call("PUT", f"/api/v2/tickets/{ticket_id}/comments/{comment_id}/make_private.json", {})

    def redact(self, ticket_id: int, comment_id: int, text: str) -> None:
        """Black out a text in a comment."""
        self._call("PUT", f"/api/v2/tickets/{ticket_id}/comments/{comment_id}/redact.json", {"text": text})

    # The sample's own side.

    def health(self) -> dict[str, Any]:
        """Return the account's name and how many tickets it ever had."""
        return self._call("GET", "/_sample/health")

    def stats(self) -> dict[str, Any]:
        """Return the counts of the calls: ``calls``, ``endpoints``, ``buckets``, ``rate_limited``,
        ``statuses``, ``comments`` (``calls``, ``tickets``, ``max_per_ticket``), ``people``, ``limits``,
        ``faults``.
        """
        return self._call("GET", "/_sample/stats")

    def reset_stats(self) -> None:
        """Count from nothing again."""
        self._call("POST", "/_sample/stats/reset")

    def set_faults(self, *faults: Fault) -> None:
        """Put these faults in force, in place of all others."""
        self._call("POST", "/_sample/faults", {"faults": [msgspec.to_builtins(fault) for fault in faults]})

    def clear_faults(self) -> None:
        """Take all faults back."""
        self._call("DELETE", "/_sample/faults")

    def set_odd(
        self,
        *,
        rows: Mapping[str, Mapping[int, Mapping[str, Any]]] | None = None,
        answers: Mapping[str, Mapping[str, Any]] | None = None,
        missing: Sequence[str] = (),
    ) -> None:
        """Have fields of answers sent as they stand here, in place of any before; see OddData."""
        named = {name: {str(i): fields for i, fields in each.items()} for name, each in (rows or {}).items()}
        body = json.dumps({"rows": named, "answers": dict(answers or {}), "missing": list(missing)})
        self._client.post("/_sample/odd", content=body).raise_for_status()

    def set_limits(
        self,
        *,
        requests_per_minute: int | None = None,
        incremental_requests_per_minute: int | None = None,
        time_scale: float | None = None,
        enabled: bool | None = None,
    ) -> None:
        """Change limits; what is not given stays."""
        limits = {
            "requests_per_minute": requests_per_minute,
            "incremental_requests_per_minute": incremental_requests_per_minute,
            "time_scale": time_scale,
            "enabled": enabled,
        }
        self._call("POST", "/_sample/limits", limits)

    def set_oauth(self, **rules: Any) -> dict[str, Any]:
        """Steer the OAuth client and its tokens (see ``oauth.Rules``); what is not given stays."""
        return self._call("POST", "/_sample/oauth", rules)

    def oauth(self) -> dict[str, Any]:
        """Return ``rules``, ``live_access_tokens``, ``live_refresh_tokens``, and the counts ``granted`` (by
        grant), ``refused`` (by error), ``dead_refresh_uses`` and ``refused_calls``.
        """
        return self._call("GET", "/_sample/oauth")

    def revoke_tokens(self, *, access: bool = True, refresh: bool = False) -> None:
        """End all access tokens, all refresh tokens, or both, at once."""
        self._call("POST", "/_sample/oauth/revoke", {"access": access, "refresh": refresh})

    def issue_tokens(self, **asked: Any) -> dict[str, Any]:
        """Return a first access and refresh token; ``asked`` is what a token request may hold."""
        return self._call("POST", "/_sample/oauth/pairs", asked)

    def add_webhook(self, hook: Hook) -> str:
        """Register a receiver of webhooks and return its id."""
        name: str = self._call("POST", "/_sample/webhooks", msgspec.to_builtins(hook))["id"]
        return name

    def webhooks(self) -> dict[str, Any]:
        """Return the receivers, ``pending`` deliveries and counts (``sent``, ``delivered``, ``failed`` …)."""
        return self._call("GET", "/_sample/webhooks")

    def clear_webhooks(self) -> None:
        """Forget all receivers."""
        self._call("DELETE", "/_sample/webhooks")

    def lengthen(self, ticket_id: int, comments: int, characters: int = 0) -> None:
        """Have a ticket have so many comments: new ones of so many characters, or fewer of those it had."""
        self._call(
            "POST", f"/_sample/thread/{ticket_id}", {"comments": comments, "characters": max(1, characters)}
        )

    def truth(self) -> Iterator[dict[str, Any]]:
        """Yield every ticket there ever was: ``id``, ``removed``, ``gone``, ``merged_into``,
        ``generated_timestamp``, ``ticket``, ``comments``, ``people``, ``organization``, ``group``.
        """
        for line in self._lines("/_sample/truth"):
            yield msgspec.json.decode(line)

    def truth_of(self, ticket_id: int) -> dict[str, Any]:
        """Return the same for one ticket."""
        return self._call("GET", f"/_sample/truth/{ticket_id}")

    def export(self) -> Iterator[str]:
        """Yield the lines of the account's NDJSON export file, without line ends."""
        return self._lines("/_sample/export.ndjson")

    def _lines(self, path: str) -> Iterator[str]:
        with self._client.stream("GET", path) as answer:
            answer.raise_for_status()
            pending = b""
            for part in answer.iter_bytes():
                *lines, pending = (pending + part).split(b"\n")
                for line in lines:
                    yield line.decode()

    def _call(self, method: str, path: str, body: Any = None) -> dict[str, Any]:
        answer = self._client.request(method, path, json=body)
        answer.raise_for_status()
        result: dict[str, Any] = answer.json() if answer.content else {}
        return result
