"""The stored login of the settings' OAuth client: how it is sealed, where it lies, and how it begins."""

from __future__ import annotations

import os
import secrets
import socket
from pathlib import Path
from typing import Final, NamedTuple

from pydantic import SecretStr

from schemas.errors import SettingsError
from schemas.logins import LoginBegun, LoginPair
from schemas.settings.load import PREFIX, Settings
from streams.logins.log import LoginLog
from streams.logins.pending import PendingPairs
from streams.logins.renewer import PairMaker, Renewer
from streams.logins.renewing import RenewingLogin
from streams.logins.view import REAL_CLOCK, Clock, LoginView, Seed
from streams.secret_file import secret_in
from streams.sources.zendesk.renewal.exchange import TokenEndpoint
from streams.sources.zendesk.renewal.sealing import Seal, chain_of, new_material
from streams.sources.zendesk.tokens import Granted

CLIENT_ID: Final = f"{PREFIX}ZENDESK__OAUTH_CLIENT_ID"
REFRESH_TOKEN: Final = f"{PREFIX}ZENDESK__OAUTH_REFRESH_TOKEN"
KEY_FILE: Final = "zendesk-login-key"
"""In the data directory: what the tokens of a client without a secret are sealed with."""
_SHORTEST_KEY: Final = 32


class StoredLogin(NamedTuple):
    """Everything that belongs to one stored login; ``open`` the view before anything is asked or stored."""

    client_id: str
    endpoint: TokenEndpoint
    view: LoginView
    maker: PairMaker
    renewer: Renewer

    def login(self) -> RenewingLogin:
        """Return the login that doors use."""
        given = f"{CLIENT_ID} and `ticketstream login`"
        return RenewingLogin(
            self.view, self.renewer, variables=f"{CLIENT_ID} and {REFRESH_TOKEN}" if self.view.seed else given
        )

    async def begin(self, granted: Granted, clock: Clock = REAL_CLOCK) -> LoginPair:
        """Store the first pair of a new login, which takes the place of all before; returns its record.

        Raises UnavailableError for an answer without a refresh token.
        """
        ledger, seed = self.view.ledger, self.view.seed
        if seed is not None and not ledger.is_begun(seed.chain):
            # Whoever logs in now does not mean the settings' refresh token to come after.
            await self.view.records.append([LoginBegun(ledger.next_ordinal, seed.chain)])
        pair = self.maker.pair(
            granted,
            now=clock.wall(),
            ordinal=ledger.next_ordinal,
            chain=secrets.token_hex(12),
            generation=1,
            cause="login",
        )
        await self.renewer.store(pair)
        return pair


def stored_login_of(settings: Settings) -> StoredLogin:
    """Return the stored login of the settings' OAuth client; nothing is connected yet.

    Raises SettingsError when account, client or Kafka are not set, or the key file cannot be used.
    """
    zendesk, account = settings.zendesk, settings.account
    client_id = (zendesk.oauth_client_id or "").strip()
    if not client_id:
        raise SettingsError(f"Zendesk's OAuth client is not set: set {CLIENT_ID} to its unique identifier")
    secret = None if zendesk.oauth_client_secret is None else _plain(zendesk.oauth_client_secret)
    seal = Seal(secret or _key(settings.data_dir.expanduser()), account, client_id)
    token = None if zendesk.oauth_refresh_token is None else _plain(zendesk.oauth_refresh_token)
    seed = Seed(token, chain_of(token, account, client_id)) if token else None
    endpoint = TokenEndpoint(settings.zendesk_url, client_id, secret)
    maker = PairMaker(seal, account, client_id, f"{socket.gethostname()}, process {os.getpid()}")
    log = LoginLog(settings.cluster, account, client_id)
    view = LoginView(log, seal, maker.about, seed)
    pending = PendingPairs(settings.data_dir, account, client_id)
    return StoredLogin(client_id, endpoint, view, maker, Renewer(view, endpoint, maker, pending))


def _key(folder: Path) -> str:
    """Return the text of the key file, made if there is none; raises SettingsError."""
    path = folder / KEY_FILE
    try:
        text = secret_in(path, new_material)
    except OSError as error:
        raise SettingsError(
            f"{path}, the key of the stored login, cannot be read or made: {error.strerror or error}"
        ) from None
    if len(text) < _SHORTEST_KEY:
        raise SettingsError(f"{path} holds no key of a stored login: copy it anew, or delete it")
    return text


def _plain(secret: SecretStr) -> str:
    return secret.get_secret_value().strip()
