"""How the live page is handed out; what it does is tested in a browser (tests/ui)."""

import re

import pytest
from starlette.testclient import TestClient

from service.ui import FOLDER, SERIES, files
from tests.service.conftest import MakeClient


def test_every_file_of_the_page_is_handed_out_with_a_policy(client: TestClient) -> None:
    names = {path.relative_to(FOLDER).as_posix() for path in FOLDER.rglob("*.*") if path.suffix in (".js", ".css")}
    assert {"main.js", "vendor/uPlot.esm.js"} <= names
    for name in names:
        answer = client.get(f"/ui/{name}")
        assert answer.content == (FOLDER / name).read_bytes()
        assert answer.headers["content-type"].startswith("text/javascript" if name.endswith(".js") else "text/css")
        assert answer.headers["content-security-policy"].startswith("default-src 'none'; script-src 'self'; style")
        assert answer.headers["x-content-type-options"] == "nosniff"


def test_every_link_of_the_page_leads_to_a_file_of_ours(client: TestClient) -> None:
    page = client.get("/ui")
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    links = re.findall(r"""(?:src|href)="(ui/[^"]+)\"""", page.text)
    assert len(links) > 4
    modules = {name: file.content.decode() for name, file in files().items() if name.endswith(".js")}
    imports = {
        f"ui/{name.rpartition('/')[0]}{path}"
        for name, text in modules.items()
        for path in re.findall(r"""from "\./([^"]+)\"""", text)
    }
    for link in {*links, *imports}:
        assert client.get(f"/{link}").is_success, link


def test_nothing_on_the_page_is_written_where_the_policy_forbids_it() -> None:
    page = files()["index.html"].content.decode()
    assert not re.search(r"<style|\sstyle=|\son\w+=|<script(?![^>]*\ssrc=)", page)


def test_a_browser_asks_again_and_is_told_that_nothing_changed(client: TestClient) -> None:
    first = client.get("/ui/main.js")
    again = client.get("/ui/main.js", headers={"if-none-match": first.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    other = client.get("/ui/style.css", headers={"if-none-match": first.headers["etag"]})
    assert other.status_code == 200


def test_a_series_to_play_comes_with_it(client: TestClient) -> None:
    assert client.get("/ui/series/sunspots.csv").content == (SERIES / "sunspots.csv").read_bytes()


@pytest.mark.parametrize("path", ["/ui/nothing.js", "/ui/__init__.py", "/ui/../service/settings.py", "/ui/vendor/"])
def test_nothing_else_is_handed_out(client: TestClient, path: str) -> None:
    answer = client.get(path)
    assert (answer.status_code, answer.json()["error"]) == (404, "not_found")


def test_the_page_is_open_and_what_it_asks_for_is_not(make_client: MakeClient) -> None:
    client = make_client(api_keys="k" * 16)
    assert client.get("/ui").is_success
    assert client.get("/ui/main.js").is_success
    assert client.get("/model").status_code == 401
    assert client.get("/watch?session_id=a").status_code == 401


def test_a_slash_behind_it_does_no_harm(client: TestClient) -> None:
    assert client.get("/ui/").url.path == "/ui"
