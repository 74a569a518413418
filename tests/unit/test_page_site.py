"""What the page answers with: itself, its files, a search, and JSON."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pytest
from test_page_view import HARM, facts

from ingestd.errors import BusyError, NotFoundError, StoreError
from ingestd.page.site import STATIC, Site
from ingestd.page.wishes import Wishes, rest_of
from ingestd.ports import Hit
from ingestd.serve.problems import RequestError
from ingestd.serve.reply import Asked, Reply

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ingestd.errors import IngestdError

ABOUT = {"source": "/docs/a.md", "title": "A title", "headings": "One > Two", "page": 7}


class Parts:
    """A site with facts, answers and failures that are set by hand."""

    def __init__(self) -> None:
        self.hits = [Hit("a-0", 0.25, "The text.\n\nOf two parts.", ABOUT)]
        self.asked: list[tuple[str, int, str | None]] = []
        self.error: IngestdError | None = None
        parts: Any = self
        self.site = Site(parts, parts, self.status, lambda: ["docs", HARM])

    async def gather(self) -> Any:
        """The facts: always the same ones."""
        return FACTS

    async def status(self) -> dict[str, Any]:
        """What programs are told."""
        return {"type": "status"}

    async def search(self, question: str, number: int, source: str | None) -> list[Hit]:
        """The hits that were set."""
        self.asked.append((question, number, source))
        if self.error is not None:
            raise self.error
        return self.hits

    async def get(self, path: str, values: Mapping[str, Any] | None = None, **headers: str) -> Any:
        """Ask for a path."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return await self.site.routes()[path]["GET"](Asked(values or {}, named))


FACTS = facts()


@pytest.fixture
def parts() -> Parts:
    """A site."""
    return Parts()


async def html(parts: Parts, **values: str) -> str:
    """The page as it answers to a query."""
    reply = await parts.get("/", values)
    assert isinstance(reply, Reply)
    assert (reply.status, reply.media_type) == (200, "text/html; charset=utf-8")
    assert isinstance(reply.body, str)
    return reply.body


async def test_a_hit_is_shown_with_file_heading_page_and_score(parts: Parts) -> None:
    """And the question and the source that were asked for stay."""
    shown = await html(parts, q=" what? ", source="docs")
    assert parts.asked == [("what?", 10, "docs")]
    for wanted in ("/docs/a.md", "A title", "One &gt; Two", "page 7", "score 0.750", "The text."):
        assert wanted in shown
    assert 'value=" what? "' in shown
    assert '<option value="docs" selected>' in shown


async def test_without_a_question_nothing_is_searched(parts: Parts) -> None:
    """Neither without one, nor with blanks."""
    for shown in (await html(parts), await html(parts, q="  ")):
        assert 'id="hits"' not in shown
    assert parts.asked == []


async def test_a_long_chunk_is_folded(parts: Parts) -> None:
    """Its beginning is shown, and the whole of it when it is unfolded."""
    parts.hits = [Hit("a-0", 0.25, "word " * 200, {})]
    shown = await html(parts, q="x")
    assert "<details><summary>Show the whole chunk" in shown
    assert "…" in shown


async def test_a_search_that_fails_is_told_on_the_page(parts: Parts) -> None:
    """With message and hint; the rest of the page is there."""
    parts.error = StoreError("Chroma <is> away", hint="Look after it.")
    shown = await html(parts, q="x")
    assert "Chroma &lt;is&gt; away" in shown
    assert "Look after it." in shown
    assert 'id="figures"' in shown


async def test_nothing_is_taken_for_html(parts: Parts) -> None:
    """Neither the question, nor sources, nor what a chunk says of itself."""
    about = dict.fromkeys((*ABOUT, "path"), HARM)
    parts.hits = [Hit(HARM, 0.5, HARM, about), Hit(HARM, 0.5, HARM * 50, {})]
    shown = await html(parts, q=HARM, source=HARM)
    assert "<script>alert" not in shown
    assert "<img" not in shown
    assert "\u202e" not in re.sub(r'value="[^"]*"', "", shown)  # what is not shown is as it was


async def test_a_choice_is_kept_in_a_cookie(parts: Parts) -> None:
    """The browser is sent back to what it looked at; other sites do not get the cookie."""
    reply = await parts.get("/", {"lang": "ko", "q": "a b&c"}, cookie="ingestd=en-dark")
    assert (reply.status, reply.headers["location"]) == (303, "/?q=a+b%26c")
    assert reply.headers["set-cookie"].startswith("ingestd=ko-dark; ")
    assert "SameSite=Strict" in reply.headers["set-cookie"]
    shown = await parts.get("/", cookie="ingestd=ko-dark", accept_language="en")
    assert '<html lang="ko" data-scheme="dark"' in shown.body


@pytest.mark.parametrize(
    "cookie",
    ["", "ingestd=", "ingestd=xx-pink", 'ingestd="><script>-dark"', "other=1; =;;", "ing\x00"],
)
def test_a_cookie_of_nonsense_is_no_choice(cookie: str) -> None:
    """What the browser asks for holds."""
    wishes = Wishes.of({"cookie": cookie, "accept-language": "ko"})
    assert wishes.language == "ko"
    assert wishes.scheme in ("auto", "dark")


def test_a_choice_leads_to_this_page_only() -> None:
    """Whatever is asked: an address of ours, with the question in it."""
    assert rest_of({"lang": "ko"}) == "/"
    assert rest_of({"q": "//evil.example/\r\nx: y"}) == "/?q=%2F%2Fevil.example%2F%0D%0Ax%3A+y"


@pytest.mark.parametrize("name", STATIC)
async def test_files_have_a_type_and_a_tag(parts: Parts, name: str) -> None:
    """Who has the same already is not sent it again."""
    reply = await parts.get("/static/{name}", {"name": name})
    assert (reply.status, reply.media_type) == (200, STATIC[name])
    assert len(reply.body) > 100
    again = await parts.get(
        "/static/{name}", {"name": name}, if_none_match=f'"x", {reply.headers["etag"]}'
    )
    assert (again.status, again.body) == (304, "")


@pytest.mark.parametrize("name", ["", "..", "../site.py", "page.css/", "/etc/passwd", "page.html"])
async def test_other_files_are_not_given(parts: Parts, name: str) -> None:
    """Only those of the list."""
    with pytest.raises(NotFoundError):
        await parts.get("/static/{name}", {"name": name})


async def test_programs_get_json(parts: Parts) -> None:
    """The same fields as the command gives."""
    assert await parts.get("/v1/status") == {"type": "status"}
    found = await parts.get("/v1/query", {"q": "x", "n": "3", "source": "docs"})
    assert parts.asked == [("x", 3, "docs")]
    hit = found["hits"][0]
    assert (hit["type"], hit["rank"], hit["score"], hit["id"]) == ("hit", 1, 0.75, "a-0")
    assert hit["metadata"] == ABOUT


@pytest.mark.parametrize(
    "values",
    [{}, {"q": " "}, {"q": "x", "n": "0"}, {"q": "x", "n": "51"}, {"q": "x", "n": "9" * 5_000}]
    + [{"q": "x", "n": number} for number in ("", "-1", "1.5", "²", "nan")],
)
async def test_a_wrong_request_is_refused(parts: Parts, values: dict[str, str]) -> None:
    """No question, or no number from 1 to 50."""
    with pytest.raises(RequestError):
        await parts.get("/v1/query", values)
    assert parts.asked == []


async def test_events_are_in_the_language_that_is_asked_for(parts: Parts) -> None:
    """By the address, else by the browser; nonsense is no language."""
    for values, headers, word in (
        ({"lang": "ko"}, {}, "최신 상태"),
        ({"lang": "../ko"}, {"accept_language": "ko"}, "최신 상태"),
        ({}, {}, "Up to date"),
    ):
        reply = await parts.get("/events", values, **headers)
        assert reply.media_type == "text/event-stream"
        await anext(reply.body)
        assert word in (await anext(reply.body)).decode()
        await reply.body.aclose()


async def test_too_many_pages_are_turned_away(
    parts: Parts, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With an error that says so, before anything is sent."""
    monkeypatch.setattr("ingestd.page.events.MOST", 0)
    with pytest.raises(BusyError):
        await parts.get("/events")
