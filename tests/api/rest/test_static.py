"""The files of our pages over HTTP: cached for ever under their digest, compressed once."""

import gzip

import pytest

from services.api.assets import load_assets, takes_gzip
from tests.api.rest.conftest import Api

BUNDLE = "vendor/scalar/standalone.js"


async def test_a_file_is_compressed_for_those_who_take_it(api: Api) -> None:
    asset = load_assets()[BUNDLE]
    path = f"/static/{BUNDLE}"
    packed = await api.http.get(path, headers={"accept-encoding": "br, gzip"})
    plain = await api.http.get(path, headers={"accept-encoding": "identity"})
    assert packed.headers["content-encoding"] == "gzip"
    assert int(packed.headers["content-length"]) == len(asset.compressed) < len(plain.content) / 3
    assert "content-encoding" not in plain.headers
    assert packed.content == plain.content == gzip.decompress(asset.compressed)
    assert packed.headers["etag"] != plain.headers["etag"]
    for answer in (packed, plain):
        assert answer.headers["vary"] == "accept-encoding"
        assert answer.headers["content-type"] == "text/javascript; charset=utf-8"


async def test_under_its_digest_a_file_is_cached_for_ever(api: Api) -> None:
    digest = load_assets()["pages/icon.svg"].digest
    path = "/static/pages/icon.svg"
    fixed = await api.http.get(path, params={"v": digest})
    assert "immutable" in fixed.headers["cache-control"]
    for other in ({}, {"v": "0" * 16}, {"v": ""}):
        assert (await api.http.get(path, params=other)).headers["cache-control"] == "no-cache"
    tag = fixed.headers["etag"]
    for asked in (tag, f"W/{tag}", f'"x", {tag}'):
        same = await api.http.get(path, headers={"if-none-match": asked})
        assert (same.status_code, same.content, same.headers["etag"]) == (304, b"", tag)
    assert (await api.http.get(path, headers={"if-none-match": '"x"'})).status_code == 200
    assert (await api.http.head(f"/api{path}/")).headers["etag"] == tag


@pytest.mark.parametrize(
    "name",
    ["", "x", "vendor", "vendor/VENDORED.json", "vendor/scalar/LICENSE", f"{BUNDLE}.gz",
     "../assets.py", "%2e%2e/assets.py", "..%2fassets.py", "pages//icon.svg", "%00", "%ff"],
)  # fmt: skip
async def test_nothing_else_is_served(api: Api, name: str) -> None:
    answer = await api.http.get(f"/static/{name}")
    assert answer.status_code == 404
    assert "detail" in answer.json()


@pytest.mark.parametrize(
    ("header", "taken"),
    [
        ("gzip", True), ("br, GZIP;q=0.5", True), ("gzip;q=1.0", True), ("*", True),
        ("", False), ("br", False), ("gzip;q=0", False), ("gzip ; q=0.00", False),
        ("*;q=0", False), ("*, gzip;q=0", False), ("x-gzip", False),
    ],
)  # fmt: skip
def test_accept_encoding(header: str, taken: bool) -> None:
    assert takes_gzip(header) is taken
