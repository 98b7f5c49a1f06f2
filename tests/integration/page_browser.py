"""``ticketstream serve`` as a process that can be restarted, and a Chromium that looks at its page."""

from __future__ import annotations

import json
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
from harness import Desk
from playwright.async_api import Browser, Page, WebSocket, async_playwright
from serve_process import ServeProcess

from schemas.settings.load import PREFIX
from ticketstream.local.stack.tools import CHROMIUM, check

KEY = "a key of the tests, long enough"
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
AWAY = ("ERR_CONNECTION_REFUSED", "ERR_CONNECTION_RESET", "ERR_EMPTY_RESPONSE", "WebSocket connection to")
"""What a browser itself says on its console of a server that is away."""

UPDATES = """
window.updates = [];
window.firstView = null;
window.announced = [];
addEventListener("DOMContentLoaded", () => {
  const desk = document.getElementById("desk");
  new MutationObserver(() => {
    updates.push([Number(desk.dataset.at), performance.now()]);
    if (firstView === null) requestAnimationFrame(() => { firstView ??= performance.now(); });
  }).observe(desk, { attributeFilter: ["data-at"] });
  const region = document.getElementById("announce");
  new MutationObserver(() => announced.push(region.textContent)).observe(region, { childList: true });
});
"""
"""Notes when each overview has been shown: [its own time, milliseconds since navigation]; and all that is
announced, which the next may take the place of at once."""

SHOWN = """
() => new Promise((resolve) => {
  const text = (selector) => document.querySelector(selector)?.textContent ?? null;
  const all = (selector, of) => [...document.querySelectorAll(selector)].map(of);
  const desk = document.getElementById("desk");
  const observer = new MutationObserver(() => {
    observer.disconnect();
    resolve({
      at: Number(desk.dataset.at),
      title: document.title,
      account: text("#account"),
      state: text("#state"),
      reason: text("#reason"),
      figures: Object.fromEntries(all("#figures .figure", (one) => [
        one.id.replace("figure-", ""), one.querySelector(".figure-value").textContent])),
      places: Object.fromEntries(all(".flow-node", (one) => [
        one.dataset.place, one.querySelector(".flow-figure").textContent])),
      held: all(".flow-node.flow-holds", (one) => one.dataset.place),
      waiting: all(".flow-waiting", (one) => one.textContent),
      letters: text(".flow-letters text"),
      stages: all("#flow-table tbody tr", (row) => [
        row.dataset.stage, ...[...row.cells].slice(1).map((cell) => cell.textContent)]),
      imports: Object.fromEntries(all("#imports-running .import", (one) => [one.dataset.import, {
        percent: one.querySelector(".import-percent").textContent,
        bar: one.querySelector("[role=progressbar]").getAttribute("aria-valuenow"),
        numbers: one.querySelector(".import-numbers").textContent,
      }])),
    });
  });
  observer.observe(desk, { attributeFilter: ["data-at"] });
})
"""
"""Waits for the next overview and returns what the page shows of it, all of one moment."""


class PageServer(ServeProcess):
    """A ``ticketstream serve`` whose API can be asked what the page should show."""

    def __init__(self, desk: Desk) -> None:
        super().__init__(desk, {f"{PREFIX}HTTP__API_KEY": KEY})
        self.client = httpx.Client(timeout=30, trust_env=False, headers={"Authorization": f"Bearer {KEY}"})

    def get(self, path: str, **parameters: Any) -> Any:
        """Return what the API answers."""
        answer = self.client.get(f"{self.url}/api/v1{path}", params=parameters)
        assert answer.status_code == 200, answer.text
        return answer.json()


class Watcher:
    """A page in a browser context of its own, and all that it did."""

    def __init__(self, page: Page, server: PageServer) -> None:
        self.page = page
        self.server = server
        self.console: list[str] = []
        self.requests: list[str] = []
        self.overviews: dict[float, dict[str, Any]] = {}
        page.on("console", lambda said: self.console.append(f"{said.type}: {said.text}"))
        page.on("pageerror", lambda error: self.console.append(f"error: {error}"))
        page.on("request", lambda request: self.requests.append(request.url))
        page.on("websocket", self._listen)

    def _listen(self, socket: WebSocket) -> None:
        self.requests.append(socket.url)
        socket.on("framereceived", self._received)

    def _received(self, frame: str | bytes) -> None:
        message = json.loads(frame)
        if message["type"] == "overview":
            self.overviews[message["overview"]["at"]] = message["overview"]

    async def open(self) -> None:
        """Open the page."""
        await self.page.goto(self.server.url)

    async def sign_in(self, key: str = KEY) -> None:
        """Open the page and sign in with the form."""
        await self.open()
        await self.page.fill("#key", key)
        await self.page.press("#key", "Enter")
        await self.page.wait_for_selector("#desk[data-at]")

    async def shown(self) -> tuple[dict[str, Any], dict[str, Any]]:
        """Return what the page shows of the next live overview, and that overview as it was received."""
        while True:
            shown = await self.page.evaluate(SHOWN)
            # One that the page asked for itself, as after a restart, was no live message.
            if overview := self.overviews.get(shown["at"]):
                return shown, overview

    async def text(self, selector: str) -> str:
        """Return an element's text."""
        return await self.page.text_content(selector) or ""

    async def hears(self, words: str) -> None:
        """Wait until this has been announced."""
        await self.page.wait_for_function(
            "(words) => announced.some((said) => said.includes(words))", arg=words
        )

    def errors(self, *, but: tuple[str, ...] = ()) -> list[str]:
        """Return what the console has told of errors and warnings, but for what holds one of these."""
        return [
            line
            for line in self.console
            if line.startswith(("error", "warning")) and not any(each in line for each in but)
        ]

    def strangers(self) -> list[str]:
        """Return the requests that left the server."""
        host = self.server.url.partition("//")[2]
        return [url for url in self.requests if not re.match(rf"(http|ws)://{re.escape(host)}/", url)]


@asynccontextmanager
async def chromium() -> AsyncIterator[Browser]:
    """Debian's Chromium, without a window; raises StackError with its install line when it is missing."""
    program = check([CHROMIUM])[CHROMIUM.command]
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=program, args=FLAGS)
        try:
            yield browser
        finally:
            await browser.close()


@asynccontextmanager
async def watching(browser: Browser, server: PageServer, **options: Any) -> AsyncIterator[Watcher]:
    """A page in a context of its own; however the block ends, nothing was asked of anybody else."""
    chosen = {"viewport": {"width": 1280, "height": 900}, "timezone_id": "UTC"} | options
    context = await browser.new_context(**chosen)
    context.set_default_timeout(60_000)
    await context.add_init_script(UPDATES)
    watcher = Watcher(await context.new_page(), server)
    try:
        yield watcher
        assert watcher.strangers() == []
    finally:
        await context.close()
