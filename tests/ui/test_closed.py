"""Nothing is fetched from elsewhere, and nothing that is slipped into a page is run."""

import httpx2
import pytest
from playwright.sync_api import expect

from tests.server import Server
from tests.ui.browser import PUBLIC_NAME, Visitor

PAGES = {"/ui": "Play the sine", "/": "/predict_batch"}
"""And what is in them when they are complete."""

INJECT = """() => new Promise((done) => {
  const refused = []
  document.addEventListener("securitypolicyviolation", (event) => {
    refused.push(event.effectiveDirective)
    if (event.effectiveDirective === "connect-src") done({ refused, ran: window.ran ?? false })
  })
  const script = document.createElement("script")
  script.textContent = "window.ran = true"
  const style = document.createElement("style")
  style.textContent = "body { display: none }"
  document.head.append(script, style)
  fetch("http://elsewhere.test/").catch(() => {})
})"""


@pytest.mark.parametrize("host", ["127.0.0.1", PUBLIC_NAME])
@pytest.mark.parametrize("path", PAGES)
def test_all_that_a_page_needs_comes_from_the_service(server: Server, visitor: Visitor, path: str, host: str) -> None:
    """`visitor` looks at every request; at a name that is no localhost some pages ask more of the world."""
    page = visitor.open(f"http://{host}:{server.port}{path}")
    expect(page.get_by_text(PAGES[path]).first).to_be_visible()
    assert len(visitor.requests) > 3


@pytest.mark.parametrize(("path", "styles"), [("/ui", ["style-src-elem"]), ("/", [])])
def test_the_policy_is_sent_and_holds(
    server: Server, api: httpx2.Client, visitor: Visitor, path: str, styles: list[str]
) -> None:
    """Swagger UI writes styles into its page; nobody writes anything into the live page."""
    assert "default-src 'none'" in api.get(path).headers["content-security-policy"]
    visitor.expect("Content Security Policy")
    page = visitor.open(f"{server.url}{path}")
    found = page.evaluate(INJECT)
    assert sorted(found["refused"]) == ["connect-src", "script-src-elem", *styles]
    assert not found["ran"]
