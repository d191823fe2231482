"""Trusted documents: asked for by their hash, over every way in; and, where the town wants it so, no others."""

import hashlib
import json
import os
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import httpx2
import pytest

from deploy.manifest import manifest
from deploy.trouble import Trouble
from gateway.app import application
from gateway.trusted import ManifestError, Trusted, documents_of
from services.settings import Settings, SettingsError
from tests.gateway.fakes import Gateway, Town
from tests.gateway.followers import served, wire

ME = "{ me { login } }"
ANONYMOUS = "{ __typename }"


def sum_of(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def by_hash(hash: str, version: Any = 1) -> dict[str, Any]:
    return {"extensions": {"persistedQuery": {"version": version, "sha256Hash": hash}}}


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "manifest.json"
    path.write_text(json.dumps({sum_of(ME): ME}))
    return path


Entrance = Callable[..., Gateway]


@pytest.fixture
def trusting(carteville: Town) -> Entrance:
    def make(path: Path | None, *, only: bool = False) -> Gateway:
        return Gateway(carteville, trusted=Trusted(path, only))

    return make


@pytest.fixture
async def only(trusting: Entrance, file: Path) -> AsyncIterator[tuple[str, httpx2.AsyncClient]]:
    async with served(trusting(file, only=True)) as one, httpx2.AsyncClient(base_url=one.url, timeout=60) as client:
        yield one.url, client


def code(response: httpx2.Response) -> str:
    return str(response.json()["errors"][0]["extensions"]["code"])


async def test_a_known_hash_takes_the_texts_place_by_post_and_by_get(trusting: Entrance, file: Path) -> None:
    async with served(trusting(file)) as one, httpx2.AsyncClient(base_url=one.url, timeout=60) as client:
        posted = await client.post("/graphql", json=by_hash(sum_of(ME)))
        got = await client.get("/graphql", params={"extensions": json.dumps(by_hash(sum_of(ME))["extensions"])})
        unknown = await client.post("/graphql", json=by_hash("0" * 64))
        differs = await client.post("/graphql", json={"query": ANONYMOUS, **by_hash(sum_of(ME))})
        other = await client.post("/graphql", json={"query": ANONYMOUS, **by_hash(sum_of(ANONYMOUS))})
        again = await client.post("/graphql", json=by_hash(sum_of(ANONYMOUS)))

    assert posted.json() == got.json() == {"data": {"me": {"login": "dupont"}}}
    assert code(unknown) == "PERSISTED_QUERY_NOT_FOUND"
    assert code(differs) == "PERSISTED_QUERY_MISMATCH"
    assert other.json() == {"data": {"__typename": "Query"}}
    assert code(again) == "PERSISTED_QUERY_NOT_FOUND", "nobody adds to the list by asking"


async def test_without_a_list_a_hash_alone_says_so_and_with_its_text_is_no_hindrance(trusting: Entrance) -> None:
    async with served(trusting(None)) as one, httpx2.AsyncClient(base_url=one.url, timeout=60) as client:
        alone = await client.post("/graphql", json=by_hash(sum_of(ME)))
        both = await client.post("/graphql", json={"query": ME, **by_hash(sum_of(ME))})

    assert code(alone) == "PERSISTED_QUERY_NOT_SUPPORTED"
    assert both.json() == {"data": {"me": {"login": "dupont"}}}


@pytest.mark.parametrize("told", [by_hash("x", version=2), by_hash(3), {"extensions": {"persistedQuery": "x"}}])  # type: ignore[arg-type]
async def test_what_is_no_persisted_query_is_malformed(only: tuple[str, httpx2.AsyncClient], told: dict[str, Any]) -> None:
    response = await only[1].post("/graphql", json=told)

    assert (response.status_code, code(response)) == (400, "BAD_REQUEST")


async def test_where_only_trusted_documents_are_answered_no_way_in_takes_another(
    only: tuple[str, httpx2.AsyncClient], carteville: Town
) -> None:
    url, client = only
    for asked in ({"query": ANONYMOUS}, {"query": ME + " "}, {"query": "subscription { x }"}, {"query": ANONYMOUS, **by_hash("0" * 64)}):
        for accept in ("application/json", "text/event-stream", "application/json, text/event-stream"):
            response = await client.post("/graphql", json=asked, headers={"accept": accept})
            assert "QUERY_NOT_IN_SAFELIST" in response.text, (asked, accept)
    assert code(await client.get("/graphql", params={"query": ANONYMOUS})) == "QUERY_NOT_IN_SAFELIST"
    async with wire(url) as socket:
        await socket.begin()
        await socket.follow("1", ANONYMOUS)
        assert await socket.refusal("1") == "QUERY_NOT_IN_SAFELIST"
        await socket.say(type="subscribe", id="2", payload=by_hash("0" * 64))
        assert await socket.refusal("2") == "PERSISTED_QUERY_NOT_FOUND"
        assert carteville.asked() == []
        await socket.say(type="subscribe", id="3", payload=by_hash(sum_of(ME)))
        assert await socket.data("3") == {"me": {"login": "dupont"}}
    assert (await client.post("/graphql", json={"query": ME})).json() == {"data": {"me": {"login": "dupont"}}}
    streamed = await client.post("/graphql", json=by_hash(sum_of(ME)), headers={"accept": "text/event-stream"})
    assert '"login"' in streamed.text


async def test_a_refusal_is_said_in_the_callers_language(only: tuple[str, httpx2.AsyncClient]) -> None:
    french = await only[1].post("/graphql", json={"query": ANONYMOUS})
    english = await only[1].post("/graphql", json={"query": ANONYMOUS}, headers={"accept-language": "en"})

    assert french.json()["errors"][0]["message"] == "Seuls les documents que la commune connaît sont servis ici."
    assert english.json()["errors"][0]["message"] == "Only documents that the town knows are answered here."


async def test_the_list_is_read_again_when_it_changes_and_a_broken_one_changes_nothing(
    trusting: Entrance, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateway.trusted.LOOK_SECONDS", 0.0)

    def write(text: str) -> None:
        new = file.with_suffix(".new")
        new.write_text(text)
        os.replace(new, file)

    async with served(trusting(file, only=True)) as one, httpx2.AsyncClient(base_url=one.url, timeout=60) as client:
        write("{")
        assert (await client.post("/graphql", json=by_hash(sum_of(ME)))).json() == {"data": {"me": {"login": "dupont"}}}
        write(json.dumps({sum_of(ANONYMOUS): ANONYMOUS}))
        assert (await client.post("/graphql", json=by_hash(sum_of(ANONYMOUS)))).json() == {"data": {"__typename": "Query"}}
        assert code(await client.post("/graphql", json=by_hash(sum_of(ME)))) == "PERSISTED_QUERY_NOT_FOUND"
        file.unlink()
        assert (await client.post("/graphql", json=by_hash(sum_of(ANONYMOUS)))).json() == {"data": {"__typename": "Query"}}


# ------------------------------------------------------------------------------------------------------------------ the list
def test_both_forms_of_a_list_are_read() -> None:
    operation = {"id": sum_of(ME), "name": "Me", "type": "query", "body": ME}
    apollo = {"format": "apollo-persisted-query-manifest", "version": 1, "operations": [operation]}
    md5 = "0cc175b9c0f1b6a831c399e269772661"

    assert documents_of(json.dumps(apollo).encode()) == {sum_of(ME): ME}
    assert documents_of(json.dumps({md5: ME}).encode()) == {md5: ME}


@pytest.mark.parametrize(
    "told",
    [
        *("", "[]", "{}", "3", '{"format": "other"}', '{"format": "apollo-persisted-query-manifest", "version": 2, "operations": []}'),
        *('{"format": "apollo-persisted-query-manifest", "version": 1, "operations": [{"id": "x"}]}', '{"x": 3}', '{"x": " "}'),
        json.dumps({sum_of(ME): ANONYMOUS}),
    ],
)
def test_a_list_that_cannot_be_trusted_is_refused_at_the_start(tmp_path: Path, told: str) -> None:
    path = tmp_path / "manifest.json"
    path.write_text(told)
    with pytest.raises(ManifestError, match=r"manifest\.json: "):
        application(Settings.from_environment({"PREAU_TRUSTED_DOCUMENTS": str(path)}))


def test_the_settings_are_held_against_each_other() -> None:
    assert not Settings.from_environment({}).only_trusted
    for wrong in ({"PREAU_ONLY_TRUSTED": "true"}, {"PREAU_ONLY_TRUSTED": "yes", "PREAU_TRUSTED_DOCUMENTS": "x"}):
        with pytest.raises(SettingsError, match="PREAU_ONLY_TRUSTED"):
            Settings.from_environment(wrong)
    with pytest.raises(ManifestError, match="nowhere"):
        Trusted(Path("/nowhere"))


def test_preau_manifest_lists_a_folder_as_it_stands(tmp_path: Path) -> None:
    (tmp_path / "below").mkdir()
    (tmp_path / "below" / "home.graphql").write_text("query Home { me { ...M } }\nfragment M on Account { login }\n")
    (tmp_path / "a.graphql").write_text("mutation { signOut }")

    told = json.loads(manifest(tmp_path))

    assert [(each["name"], each["type"]) for each in told["operations"]] == [("a", "mutation"), ("Home", "query")]
    assert documents_of(json.dumps(told).encode()) == {sum_of(each.read_text()): each.read_text() for each in tmp_path.rglob("*.graphql")}


def test_preau_manifest_refuses_what_the_schema_does_not_know(tmp_path: Path) -> None:
    with pytest.raises(Trouble, match=r"no .*graphql files"):
        manifest(tmp_path)
    (tmp_path / "wrong.graphql").write_text("{ nobody }")
    with pytest.raises(Trouble, match=r"wrong\.graphql: Cannot query field 'nobody'"):
        manifest(tmp_path)
