"""Somebody at the portal as far as HTTP goes: what needs neither layout nor script is told without a browser, in milliseconds."""

import html
import re
from dataclasses import dataclass

import httpx2

from gateway.portal.texts import TEXTS
from tests.flows.system import System
from tests.flows.town import PASSWORD, Town

FORM = {"content-type": "application/x-www-form-urlencoded", "sec-fetch-site": "same-origin"}


@dataclass
class Visitor:
    """Keeps cookies, follows redirects, and sends the guard of the last form that it saw."""

    client: httpx2.AsyncClient
    guard: str = ""

    @classmethod
    def of(cls, system: System, language: str = "fr") -> "Visitor":
        headers = {"accept": "text/html", "accept-language": language}
        return cls(httpx2.AsyncClient(base_url=system.gateway, timeout=60, follow_redirects=True, headers=headers))

    async def opens(self, path: str, **query: str) -> httpx2.Response:
        return self._seen(await self.client.get(path, params=query or None))

    async def sends(self, path: str, **fields: str | list[str]) -> httpx2.Response:
        if not self.guard:
            await self.opens("/connexion")
        return self._seen(await self.client.post(path, data={"jeton_page": self.guard, **fields}, headers=FORM))

    async def signs_in(self, town: Town, name: str, suite: str = "/") -> httpx2.Response:
        """`name`: of the family in the town, or `agent`. The answer is the page at `suite`."""
        answer = await self.sends("/connexion", identifiant=town.named(name), motdepasse=PASSWORD, suite=suite)
        assert "preau_session" in " ".join(self.client.cookies), answer.text
        return answer

    def _seen(self, answer: httpx2.Response) -> httpx2.Response:
        self.guard = guard_in(answer.text) or self.guard
        return answer


def guard_in(html: str) -> str:
    """Of the page's forms; empty: it has none."""
    found = re.search(r'name="jeton_page" value="([^"]+)"', html)
    return found.group(1) if found else ""


def french_in(page: str) -> list[str]:
    """What an English page says in French, beside what is marked as another's words, or sets as French is: with a space before a colon."""
    said = html.unescape(_unmarked(page))
    english = {english for _, english in TEXTS.values()}
    ours = [french for french, _ in TEXTS.values() if french not in english and len(french) > 8 and "{" not in french]
    spaced = re.findall(r"[^\s<>]+ :(?=\s)", re.sub(r"<style>.*?</style>", "", said, flags=re.S))
    return [french for french in ours if french in said and re.search(rf"(?<!\w){re.escape(french)}(?!\w)", said)] + spaced


def unmarked(page: str, *words: str) -> list[str]:
    """Where a page says such a word outside of what is marked as another language's. Its title, and attributes, cannot mark a part."""
    said = html.unescape(re.sub(r"<title>.*?</title>|<style>.*?</style>|<[^>]+>", " ", _unmarked(page), flags=re.S))
    return [found.group(0) for word in words for found in re.finditer(rf".{{0,40}}{word}.{{0,20}}", said)]


def _unmarked(page: str) -> str:
    return re.sub(r'<(?!html)(\w+)[^>]* lang="\w+"[^>]*>.*?</\1>|<script.*?</script>', "", page, flags=re.S)
