"""A sample Zendesk: a stand-in server with a generated account, for the demo, tests and benchmarks.

``python -m ticketstream.local.sample.zendesk --port P --tickets N --seed S`` serves it; ``--help`` lists the
options. The account is the same for the same seed and size: tickets of two years about twenty reasons
to write, in eleven languages; one ticket in a hundred with 101 to 260 comments, one in a hundred each
deleted, merged, spam and empty, some with bodies of up to 55 KB. From 20 tickets on, ticket 3 is
empty, 5 deleted, 7 has many comments, 11 is merged, 13 spam, and 17 has a long body.

Zendesk's endpoints, below ``/api/v2`` and with or without ``.json``, behave as documented or recorded:

========  =====================================  ==================================================
GET       /incremental/tickets/cursor            by ``generated_timestamp``; ``per_page`` to 1000,
                                                 rows repeated now and then, the last seconds held
                                                 back, ``include=users,organizations,groups``
GET       /incremental/ticket_events             by time, ``include=comment_events``
GET       /incremental/users/cursor
GET       /tickets, /tickets/{id}                404 for what is deleted or spam
GET       /tickets/show_many, /tickets/count
GET       /tickets/{id}/comments                 cursor paging with ``page[size]``, else by pages;
                                                 ``include=users``
GET       /tickets/{id}/audits                   those of comments and of a merge
GET       /users/show_many, /users/me            /users/me without login: an anonymous user
GET       /organizations/show_many
GET       /groups, /brands, /views
GET       /views/{id}/tickets, /views/{id}/count
GET       /deleted_tickets
POST      /tickets                               ``via_followup_source_id``: tags are inherited
PUT       /tickets/{id}                          fields, ``comment``; 422 for a closed ticket
DELETE    /tickets/{id}
PUT       /tickets/{id}/mark_as_spam
POST      /tickets/{id}/merge                    ``ids``, ``target_comment``, ``source_comment``
PUT       /tickets/{id}/comments/{id}/make_private
PUT       /tickets/{id}/comments/{id}/redact     ``text``
PUT       /deleted_tickets/{id}/restore
DELETE    /deleted_tickets/{id}                  for good
========  =====================================  ==================================================

``POST /oauth/tokens`` gives tokens of the grants ``client_credentials``, ``authorization_code`` (with PKCE)
and ``refresh_token``; a refresh token serves once and takes its access token with it. ``GET
/oauth/authorizations/new`` sends the browser back with a code at once: the person has agreed. Tokens have
scopes and an end. See ``oauth.Rules`` for what can be steered; faults strike ``/oauth/tokens`` too.

The sample's own side needs no login and no quota:

========  ===============================  ========================================================
GET       /_sample/health
GET       /_sample/stats                   calls by endpoint and bucket, refusals, calls for comments
POST      /_sample/stats/reset
*         /_sample/faults                  GET, POST ``{"faults": […]}`` (see ``faults.Fault``), DELETE
*         /_sample/limits                  GET, POST
*         /_sample/webhooks                GET, POST (see ``webhooks.Hook``), DELETE
*         /_sample/oauth                   GET counts, POST rules (see ``oauth.Rules``)
POST      /_sample/oauth/revoke            ``access`` and ``refresh``: which tokens end now
POST      /_sample/oauth/pairs             a first access and refresh token, without a person
GET       /_sample/truth, /_sample/truth/{id}   every ticket there ever was, as it is now
GET       /_sample/export.ndjson           the account as a Zendesk export file, one ticket a line
========  ===============================  ========================================================

A request to ``/api/`` with the header ``X-Sample-Person`` stands for a person at work in Zendesk's own
pages: no login, quota or fault. ``control.SampleZendeskControl`` sends it; ``running.SampleZendesk``
serves an account within a test.

Unlike Zendesk: jobs (merge, permanent deletion) are done at once, people never change, and deleted
tickets can be listed and restored however old they are.
"""

from __future__ import annotations

from typing import Final

DEFAULT_OAUTH_TOKEN: Final = "sample-oauth-token"  # noqa: S105 - a sample account has no secrets
DEFAULT_EMAIL: Final = "agent@example.org"
DEFAULT_API_TOKEN: Final = "sample-api-token"  # noqa: S105
"""The logins a sample account accepts when it is started with none."""
DEFAULT_CLIENT_ID: Final = "sample-client"
DEFAULT_CLIENT_SECRET: Final = "sample-client-secret"  # noqa: S105
"""The OAuth client of a sample account."""

__all__ = ["control"]
