"""The Zendesk account: where it is, its login and its limits."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, SecretStr, field_validator, model_validator

from schemas import forgiving
from schemas.forgiving import forgiven
from schemas.settings.group import Group


def _words(value: object) -> object:
    """Return words as OAuth wants them, one blank apart."""
    return " ".join(value.replace(",", " ").split()) if isinstance(value, str) else value


class ZendeskSettings(Group):
    """How to reach Zendesk, and what its plan allows."""

    subdomain: str | None = Field(
        None, pattern=r"^[A-Za-z0-9][A-Za-z0-9-]*$", description="the account: SUBDOMAIN.zendesk.com"
    )
    base_url: str | None = Field(
        None, pattern=r"^https?://", description="where the API is; default https://SUBDOMAIN.zendesk.com"
    )
    oauth_client_id: str | None = Field(
        None, description="OAuth client (its unique identifier): the first choice; see docs/logins.md"
    )
    oauth_client_secret: SecretStr | None = Field(
        None, description="the OAuth client's secret; goes with OAUTH_CLIENT_ID"
    )
    oauth_scope: Annotated[str, BeforeValidator(_words)] = Field(
        "read",
        pattern=r"^[a-z_]+(:[a-z_]+)?( [a-z_]+(:[a-z_]+)?)*$",
        description="what access tokens may do, words apart by blanks",
    )
    oauth_refresh_token: SecretStr | None = Field(
        None, description="first refresh token of an OAuth client that has no other grant"
    )
    oauth_token: SecretStr | None = Field(
        None, description="OAuth access token that never ends, as of clients from before 2026-04-30"
    )
    email: str | None = Field(None, description="the login of an API token")
    api_token: SecretStr | None = Field(None, description="API token, until 2027-04-30; goes with EMAIL")
    requests_per_minute: int = Field(400, ge=1, description="the plan's general limit")
    incremental_requests_per_minute: int = Field(10, ge=1, description="the limit of /incremental/*")
    comments: Literal["auto", "single", "bulk"] = Field(
        "auto",
        description="how imports read comments: `single`, a call a ticket; `bulk`, all of the account's from "
        "its ticket events; `auto`, whichever the quotas make faster",
    )
    poll_seconds: float = Field(
        60,
        gt=0,
        description="pause between two looks at the export; half of the export's limit is kept for imports",
    )
    webhook_secret: SecretStr | None = Field(
        None, description="the signing secret of the webhook; without it `ticketstream serve` takes none"
    )

    @model_validator(mode="before")
    @classmethod
    def _account(cls, given: Any) -> Any:
        return forgiving.with_account(given)

    _subdomain = field_validator("subdomain", mode="before")(forgiven(forgiving.subdomain))
    _base_url = field_validator("base_url", mode="before")(forgiven(forgiving.zendesk_url))
    _email = field_validator("email", mode="before")(forgiven(forgiving.email))
    _token = field_validator("oauth_token", mode="before")(forgiven(forgiving.token))
    _api_token = field_validator("api_token", mode="before")(forgiven(forgiving.api_token))

    @property
    def has_login(self) -> bool:
        """Whether anything of a login is set; it may be incomplete."""
        parts = (
            self.oauth_client_id,
            self.oauth_client_secret,
            self.oauth_refresh_token,
            self.oauth_token,
            self.email,
            self.api_token,
        )
        return any(part is not None for part in parts)
