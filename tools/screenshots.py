"""Makes the pictures of the page: a sample account is imported while a browser looks on.

Starts a stack, workers and the server of its own, and ends all of it. Writes docs/images/*.png.
"""

from __future__ import annotations

import asyncio
import re
import secrets
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
from playwright.async_api import Browser, Page, async_playwright

from schemas.settings.load import PREFIX
from ticketstream.demo.place import Place, running_place
from ticketstream.demo.plan import WORKERS
from ticketstream.local.sample.zendesk.control import SampleZendeskControl
from ticketstream.local.sample.zendesk.faults import Fault
from ticketstream.local.stack.processes import clean_environment, dies_with_parent
from ticketstream.local.stack.tools import CHROMIUM, check
from ticketstream.terminal.output import note
from ticketstream.terminal.progress import step_report

IMAGES = Path(__file__).parents[1] / "docs" / "images"
TICKETS = 3000
KEY = secrets.token_urlsafe(24)
QUESTION = "customers who cannot log in"
DESKTOP = {"width": 1280, "height": 900}
PHONE = {"width": 390, "height": 844}


def main() -> None:
    """Make all pictures."""
    browser = check([CHROMIUM], "no picture can be made")[CHROMIUM.command]
    IMAGES.mkdir(parents=True, exist_ok=True)
    with (
        tempfile.TemporaryDirectory() as folder,
        running_place(Path(folder), TICKETS, WORKERS, keep=False, reporting=step_report, tell=note) as place,
        serving(place.environment, Path(folder)) as url,
    ):
        asyncio.run(take(place, url, browser))


@contextmanager
def serving(environment: Mapping[str, str], folder: Path) -> Iterator[str]:
    """Run ``ticketstream serve`` and give its address."""
    log = folder / "serve.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "ticketstream", "serve", "--port", "0"],
            env=clean_environment() | dict(environment) | {f"{PREFIX}HTTP__API_KEY": KEY},
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            preexec_fn=dies_with_parent(),
        )
    try:
        while (found := re.search(r"listening at (http://\S+:\d+)", log.read_text())) is None:
            if process.poll() is not None:
                sys.exit(f"error: the server did not start: {log.read_text()}")
            time.sleep(0.1)
        yield found[1]
    finally:
        process.terminate()
        process.wait(20)


async def take(place: Place, url: str, program: Path) -> None:
    """Import the account and take the pictures on the way."""
    await place.workers.ready(place.settings.cluster, lambda *_: None)
    zendesk = SampleZendeskControl(place.settings.zendesk_url)
    refused = [truth["id"] for truth in zendesk.truth() if not truth["removed"]][200:203]
    zendesk.set_faults(
        *(Fault(kind="error", status=422, path=f"/tickets/{each}/comments") for each in refused)
    )
    headers = {"Authorization": f"Bearer {KEY}"}
    async with (
        httpx.AsyncClient(base_url=url, headers=headers, timeout=60, trust_env=False) as api,
        async_playwright() as playwright,
    ):
        browser = await playwright.chromium.launch(
            executable_path=program, args=["--no-sandbox", "--disable-gpu", "--no-first-run"]
        )
        light = await signed_in(browser, url, color_scheme="light", viewport=DESKTOP)
        phone = await signed_in(browser, url, color_scheme="dark", viewport=PHONE)
        dark = await signed_in(browser, url, color_scheme="dark", viewport=DESKTOP)
        begun = await api.post("/api/v1/imports", json={"since": None})
        begun.raise_for_status()
        running = light.locator(f'#imports-running [data-import="{begun.json()["id"]}"]')
        await running.wait_for(timeout=60_000)
        await until_imported(api, begun.json()["id"], 0.62)
        await picture(light, "page-import")
        await picture(phone, "page-phone")
        await until_imported(api, begun.json()["id"], 1)
        zendesk.clear_faults()
        # What is fresh is told from changes.
        for truth in zendesk.truth():
            if truth["id"] % 200 == 0 and not truth["removed"] and truth["ticket"]["status"] != "closed":
                zendesk.add_comment(truth["id"], "It happened again this morning.")
        await dark.locator('#headline[data-state="in_step"]').wait_for(timeout=120_000)
        await dark.wait_for_timeout(12_000)
        await picture(dark, "page-dark")
        await light.fill("#q", QUESTION)
        await light.press("#q", "Enter")
        await light.locator(".result").first.wait_for()
        await light.locator("#search-title").evaluate("(title) => title.closest('section').scrollIntoView()")
        await picture(light, "page-search")
        await browser.close()


async def until_imported(api: httpx.AsyncClient, import_id: str, part: float) -> None:
    """Wait until so much (0 to 1) of an import is done."""
    while True:
        record: dict[str, Any] = (await api.get(f"/api/v1/imports/{import_id}")).json()
        if record["status"] not in ("running", "waiting"):
            return
        if part < 1 and record["done"] >= part * TICKETS:
            return
        await asyncio.sleep(0.3)


async def signed_in(browser: Browser, url: str, **look: Any) -> Page:
    """Return a page after signing in."""
    page = await browser.new_page(**look)
    await page.goto(url)
    await page.fill("#key", KEY)
    await page.press("#key", "Enter")
    await page.wait_for_selector("#desk[data-at]")
    return page


async def picture(page: Page, name: str) -> None:
    """Write what is to be seen now."""
    path = IMAGES / f"{name}.png"
    await page.screenshot(path=path)
    note(f"docs/images/{path.name}: {path.stat().st_size / 1000:.0f} KB")


if __name__ == "__main__":
    main()
