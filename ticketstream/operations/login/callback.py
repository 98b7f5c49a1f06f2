"""The page on this machine to which Zendesk sends the browser back."""

from __future__ import annotations

import asyncio
import hmac
from types import TracebackType
from typing import Final, Self

from aiohttp import web

from schemas.errors import UserError
from streams.secrets import keep_secret
from ticketstream.terminal.untrusted import one_line, shortened

HOST: Final = "127.0.0.1"
PATH: Final = "/callback"
_LONGEST_WORDS: Final = 200
_HEADERS: Final = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}
_PAGE: Final = (
    '<!doctype html><html lang="en"><meta charset="utf-8"><title>ticketstream</title>'
    '<body style="font: 1.1rem system-ui, sans-serif; margin: 4rem auto; max-width: 34rem">'
    "<h1>{head}</h1><p>{words}</p></body></html>"
)
_DONE: Final = _PAGE.format(
    head="Thank you", words="ticketstream goes on in the terminal. You can close this window."
)
_FAILED: Final = _PAGE.format(head="Not logged in", words="The terminal tells what was wrong.")
_NOTHING: Final = _PAGE.format(head="Nothing here", words="This is not the page Zendesk sends back to.")


def redirect_url(port: int) -> str:
    """Return the redirect URL of a port, as it must be registered with the OAuth client."""
    return f"http://{HOST}:{port}{PATH}"


class Callback:
    """Waits for the answer to one request, which ``state`` tells from any other; an async context manager.

    ``port`` 0 is any free one. Its pages are fixed texts: nothing that was sent is shown. Raises UserError
    when the port is taken.
    """

    def __init__(self, port: int, state: str) -> None:
        self._port = port
        self._state = state
        self._answer: asyncio.Future[str] | None = None

    async def __aenter__(self) -> Self:
        self._answer = asyncio.get_running_loop().create_future()
        app = web.Application()
        app.router.add_get(PATH, self._answered, allow_head=False)
        app.router.add_route("*", "/{any:.*}", self._nothing)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=1.0)
        await self._runner.setup()
        site = web.TCPSite(self._runner, HOST, self._port)
        try:
            await site.start()
        except OSError as error:
            await self._runner.cleanup()
            raise UserError(
                f"port {self._port} of this machine cannot be listened at ({error.strerror}): choose another "
                "with --port, and register its redirect URL with the OAuth client"
            ) from None
        self._port = self._runner.addresses[0][1]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._runner.cleanup()

    @property
    def url(self) -> str:
        """The redirect URL."""
        return redirect_url(self._port)

    async def code(self, timeout: float) -> str:
        """Return the authorization code that Zendesk sends; waits for so many seconds.

        Raises UserError when the person declines, when the answer is to another request, or when none comes.
        """
        if self._answer is None:
            raise TypeError("the callback is not open")
        try:
            async with asyncio.timeout(timeout):
                return await asyncio.shield(self._answer)
        except TimeoutError:
            raise UserError(
                f"nobody has answered within {timeout:g} s: run `ticketstream login` again (is {self.url} "
                "registered as a redirect URL of the OAuth client?)"
            ) from None

    async def _answered(self, request: web.Request) -> web.Response:
        given = request.query
        error, code, state = given.get("error"), given.get("code"), given.get("state")
        if not error and not code:
            return _page(_NOTHING, 404)
        # Zendesk may leave out the state of a refusal.
        right = _same(state, self._state) if state is not None else error is not None
        if not right:
            self._fail("the answer in the browser is not to this request (another state): run it again")
            return _page(_FAILED, 400)
        if error:
            self._fail(_refusal(error, given.get("error_description") or ""))
            return _page(_FAILED, 200)
        if code and self._answer is not None and not self._answer.done():
            keep_secret(code)
            self._answer.set_result(code)
        return _page(_DONE, 200)

    async def _nothing(self, _: web.Request) -> web.Response:
        return _page(_NOTHING, 404)

    def _fail(self, message: str) -> None:
        if self._answer is not None and not self._answer.done():
            self._answer.set_exception(UserError(message))
            self._answer.exception()  # or asyncio says that nobody has asked for it


def _same(given: str, expected: str) -> bool:
    return hmac.compare_digest(given.encode("utf-8", "surrogatepass"), expected.encode())


def _page(text: str, status: int) -> web.Response:
    return web.Response(text=text, status=status, content_type="text/html", headers=_HEADERS)


def _refusal(error: str, description: str) -> str:
    if error == "access_denied":
        return "access was denied in Zendesk: run `ticketstream login` again and allow it"
    said = shortened(one_line(f"{error} {description}"), _LONGEST_WORDS)
    return f"Zendesk refuses the request ({said}): check the OAuth client's redirect URLs and scopes"
