"""The Chromium that is installed, and visits to the service in it."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit

from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, Request, sync_playwright

PROGRAMS = ("chromium", "chromium-browser", "google-chrome")
PUBLIC_NAME = "elman.test"
"""In the browser it is this machine: a name that is not localhost, which some code treats in its own way."""

OPTIONS = (
    "--no-sandbox",  # root has none, and CI is root
    f"--host-resolver-rules=MAP {PUBLIC_NAME} 127.0.0.1, MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
)
PATIENCE_MS = 15_000


def program() -> str | None:
    """Where Chromium is; Playwright never downloads one."""
    return next(filter(None, map(shutil.which, PROGRAMS)), None)


@contextmanager
def launched() -> Iterator[Browser]:
    """The browser, until the context ends. While it runs, this thread can run no event loop of its own."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program(), args=list(OPTIONS))
        try:
            yield browser
        finally:
            browser.close()


class Visitor:
    """Somebody with a browser profile of their own for every page that they open. What the pages ask for and complain
    of is remembered.
    """

    def __init__(self, browser: Browser) -> None:
        self.requests: list[Request] = []
        self._browser = browser
        self._contexts: list[BrowserContext] = []
        self._expected: list[str] = []
        self._complaints: list[str] = []
        self._foreign: list[str] = []

    def open(self, url: str, *, width: int = 1280, height: int = 800, **options: Any) -> Page:
        """A new profile, and this page in it. options: of `Browser.new_context`."""
        context = self._browser.new_context(
            viewport={"width": width, "height": height}, reduced_motion="reduce", **options
        )
        context.set_default_timeout(PATIENCE_MS)
        self._contexts.append(context)
        home = _place(url)
        context.on("request", lambda request: self._asked(request, home))
        context.on("console", self._said)
        context.on("weberror", lambda error: self._complaints.append(f"{error.error}"))
        page = context.new_page()
        page.goto(url)
        return page

    def expect(self, complaint: str) -> None:
        """The test provokes complaints with these words."""
        self._expected.append(complaint)

    def leave(self) -> None:
        """Close everything. All that was asked for was asked of the service, and nothing was complained of."""
        for context in self._contexts:
            context.close()
        assert not self._foreign, self._foreign
        unexpected = [text for text in self._complaints if not any(known in text for known in self._expected)]
        assert not unexpected, unexpected

    def _asked(self, request: Request, home: tuple[str, str]) -> None:
        self.requests.append(request)
        if _place(request.url) != home and not request.url.startswith(("data:", "blob:")):
            self._foreign.append(request.url)

    def _said(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            self._complaints.append(f"{message.text} ({message.location.get('url')})")


def _place(url: str) -> tuple[str, str]:
    parts = urlsplit(url)
    return parts.scheme, parts.netloc
