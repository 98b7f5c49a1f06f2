"""The page's files as they are served, and what they may hold."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from ticketstream.http.access.api_key import ApiKey
from ticketstream.http.app import create_app
from ticketstream.http.page.files import FOLDER, POLICY, TYPES, page_router, read_files

FILES = read_files()
SCRIPTS = [name for name in FILES if name.endswith(".js")]
WRITTEN = [name for name in FILES if name.endswith((".html", ".css", ".js", ".svg"))]


def text_of(name: str) -> str:
    return FILES[name].content.decode()


@pytest.fixture
def client() -> Iterator[TestClient]:
    with TestClient(create_app([page_router()], key=ApiKey("a key"))) as client:
        yield client


def test_the_page_is_at_the_root(client: TestClient) -> None:
    answer = client.get("/")
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    assert answer.content == (FOLDER / "index.html").read_bytes()


@pytest.mark.parametrize("name", [name for name in FILES if name != "index.html"])
def test_every_file_has_its_type_and_the_security_headers(client: TestClient, name: str) -> None:
    answer = client.get(f"/static/{name}")
    assert answer.status_code == 200
    assert answer.content == (FOLDER / name).read_bytes()
    assert answer.headers["content-type"] == TYPES[Path(name).suffix]
    assert answer.headers["content-security-policy"] == POLICY
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["referrer-policy"] == "no-referrer"
    assert answer.headers["x-frame-options"] == "DENY"
    head = client.head(f"/static/{name}")
    assert head.content == b""
    assert head.headers["content-length"] == answer.headers["content-length"]


def test_the_policy_allows_nothing_inline_and_nothing_from_elsewhere() -> None:
    assert "default-src 'self'" in POLICY
    assert "unsafe" not in POLICY
    assert "http" not in POLICY and "*" not in POLICY and "data:" not in POLICY


def test_an_unchanged_file_is_not_sent_again(client: TestClient) -> None:
    first = client.get("/")
    etag = first.headers["etag"]
    assert first.headers["cache-control"] == "no-cache"
    for known in (etag, f"W/{etag}", f'"other", {etag}', "*"):
        again = client.get("/", headers={"If-None-Match": known})
        assert (again.status_code, again.content) == (304, b""), known
        assert again.headers["etag"] == etag
    assert client.get("/", headers={"If-None-Match": '"other"'}).status_code == 200


def test_the_etag_follows_the_content(tmp_path: Path) -> None:
    (tmp_path / "index.html").write_text("one")
    one = read_files(tmp_path)["index.html"].etag
    assert read_files(tmp_path)["index.html"].etag == one
    (tmp_path / "index.html").write_text("two")
    assert read_files(tmp_path)["index.html"].etag != one


@pytest.mark.parametrize(
    "path",
    [
        "../page_files.py",
        "%2e%2e/page_files.py",
        "..%2fpage_files.py",
        "..%2f..%2f..%2fpyproject.toml",
        "js/../../server.py",
        "%2fetc/passwd",
        "/etc/passwd",
        "..\\page_files.py",
        "js",
        "js/",
        "",
        "index.html%00.js",
        "fonts/nothing.woff2",
    ],
)
def test_no_path_leads_out_of_the_page(client: TestClient, path: str) -> None:
    answer = client.get(f"/static/{path}")
    # Some clients leave the folder themselves: what is beside it needs the key.
    assert answer.status_code in (401, 404)
    assert answer.headers["content-type"] == "application/problem+json"
    assert b"def page_router" not in answer.content


def test_only_known_kinds_of_files_are_served(tmp_path: Path) -> None:
    for name in ("index.html", "notes.md", "key", "page.py"):
        (tmp_path / name).write_text("x")
    assert list(read_files(tmp_path)) == ["index.html"]


def test_the_page_is_no_part_of_the_api_document() -> None:
    assert create_app([page_router()], key=ApiKey("a key")).openapi()["paths"] == {}


def test_everything_the_page_names_is_there() -> None:
    index = text_of("index.html")
    named = set(re.findall(r'(?:src|href)="/static/([^"]+)"', index))
    assert named <= FILES.keys()
    for style in (name for name in FILES if name.endswith(".css")):
        assert style in named, f"{style} is not linked"
        assert set(re.findall(r'url\("/static/([^"]+)"\)', text_of(style))) <= FILES.keys()
    for script in SCRIPTS:
        # Without a preload the browser finds a module only once it has read the one that imports it.
        assert script in named, f"{script} is not preloaded"
        for module in re.findall(r'from "\./([^"]+)"', text_of(script)):
            assert f"js/{module}" in FILES, f"{script} imports {module}"


@pytest.mark.parametrize("name", WRITTEN)
def test_nothing_comes_from_elsewhere_and_nothing_is_inline(name: str) -> None:
    text = text_of(name).replace("http://www.w3.org/2000/svg", "")
    assert "//" not in re.sub(r"(?m)(^|\s)//.*$|`\$\{scheme\}//", "", text), "another address"
    if name.endswith(".html"):
        assert not re.search(r"<style|\sstyle=|\son[a-z]+=|javascript:", text)
        assert not re.search(r"<script(?![^>]*\ssrc=)", text)


@pytest.mark.parametrize("name", SCRIPTS)
def test_no_text_ever_becomes_html_or_code(name: str) -> None:
    forbidden = r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|createContextualFragment|DOMParser"
    assert not re.search(rf"{forbidden}|\beval\(|new Function|setAttribute\(\"(on|style)", text_of(name))
