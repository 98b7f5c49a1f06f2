"""A sample Zendesk in a thread of this process, for tests and examples."""

from __future__ import annotations

import socket
import threading

import msgspec
import uvicorn

from ticketstream.local.sample.zendesk import DEFAULT_OAUTH_TOKEN
from ticketstream.local.sample.zendesk.control import SampleZendeskControl
from ticketstream.local.sample.zendesk.server import Options, config


class SampleZendesk:
    """Serves an account on a free port of this machine for the length of a ``with`` block.

    ::

        with SampleZendesk(Options(tickets=50, oauth_token="t")) as zendesk:
            zendesk.base_url, zendesk.control.add_comment(1, "Hello")

    Without a login in the options, it accepts the sample's OAuth token.
    """

    def __init__(self, options: Options | None = None) -> None:
        options = options or Options()
        if not (options.oauth_token or options.api_token):
            options = msgspec.structs.replace(options, oauth_token=DEFAULT_OAUTH_TOKEN)
        self._server = uvicorn.Server(config(options))
        self._socket = socket.create_server(("127.0.0.1", 0), backlog=4096)
        self.base_url = f"http://127.0.0.1:{self._socket.getsockname()[1]}"
        self.control = SampleZendeskControl(self.base_url)
        self._thread = threading.Thread(target=self._server.run, args=([self._socket],), daemon=True)

    def __enter__(self) -> SampleZendesk:
        self._thread.start()
        self.control.health()
        return self

    def __exit__(self, *_: object) -> None:
        self.control.close()
        self._server.should_exit = self._server.force_exit = True
        self._thread.join(10)
        self._socket.close()
