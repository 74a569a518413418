"""The page in a real Chromium, of a real daemon."""

from __future__ import annotations

import re
import shutil
from typing import TYPE_CHECKING, Any, Self

import httpx
import pytest
from shown import BELL, BROKEN, CHROMIUM, HOSTILE_NAME, HOSTILE_SOURCE, Shown, eventually, fill

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path
    from types import TracebackType

    from playwright.sync_api import Browser, Page

playwright = pytest.importorskip(
    "playwright.sync_api", reason="needs the Python package playwright"
)
pytestmark = pytest.mark.skipif(
    not CHROMIUM.exists(), reason=f"needs a browser at {CHROMIUM}: apt-get install chromium"
)

WAIT_MS = 20_000
TOKEN = "0123456789abcdef"  # noqa: S105 - of a test
LEAST_CONTRAST = 4.5
WATCH_VIOLATIONS = """
window.violations = [];
document.addEventListener("securitypolicyviolation", (e) =>
  window.violations.push(`${e.violatedDirective} ${e.blockedURI}`));
"""
CONTRASTS = """() => {
  const rgb = (text) => text.match(/[\\d.]+/g).map(Number);
  const light = (c) => c.slice(0, 3).map((v) => v / 255)
    .map((v) => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4)
    .reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0);
  const behind = (one) => {
    for (; one; one = one.parentElement) {
      const back = rgb(getComputedStyle(one).backgroundColor);
      if (back.length === 3 || back[3] === 1) return back;
    }
    return [255, 255, 255];
  };
  const found = {};
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const one = walker.currentNode.parentElement;
    if (!walker.currentNode.data.trim() || !one.checkVisibility()) continue;
    const [a, b] = [light(rgb(getComputedStyle(one).color)), light(behind(one))];
    const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    const name = `${one.tagName}.${one.className}`;
    found[name] = Math.min(found[name] ?? 99, ratio);
  }
  return found;
}"""


class Tab:
    """A tab of the browser, which notes all that a page should not do.

    Args:
        browser: that it is of.
        options: of the browser's context.
    """

    def __init__(self, browser: Browser, **options: Any) -> None:
        self.context = browser.new_context(**options)
        self.context.add_init_script(WATCH_VIOLATIONS)
        self.page: Page = self.context.new_page()
        self.page.set_default_timeout(WAIT_MS)
        self.complaints: list[str] = []
        self.page.on("console", lambda told: self.complaints.append(f"console: {told.text}"))
        self.page.on("pageerror", lambda error: self.complaints.append(f"error: {error}"))
        self.page.on("dialog", self._dialog)

    def _dialog(self, dialog: Any) -> None:
        self.complaints.append(f"dialog: {dialog.message}")
        dialog.dismiss()

    def text(self, selector: str) -> str:
        """The text of an element that is seen."""
        return self.page.locator(selector).inner_text()

    def is_quiet(self) -> None:
        """Nothing was complained of, and nothing was forbidden."""
        assert self.complaints == []
        assert self.page.evaluate("window.violations") == []

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.context.close()


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Debian's Chromium; as root it runs without its own sandbox, on pages of ours only."""
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=str(CHROMIUM), args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def daemon(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shown]:
    """A daemon with good documents, a broken one, and some that mean harm."""
    place = tmp_path_factory.mktemp("shown")
    with Shown(*fill(place), state=place / "state") as one:
        yield one


@pytest.fixture
def tab(browser: Browser, daemon: Shown) -> Iterator[Tab]:
    """The page of that daemon in English, as it was loaded and is live."""
    with Tab(browser, locale="en-GB", viewport={"width": 1280, "height": 900}) as tab:
        with tab.page.expect_response(lambda answer: "/events" in answer.url):
            tab.page.goto(daemon.url)
        yield tab


def search(tab: Tab, question: str) -> None:
    """Ask a question, with the keyboard."""
    tab.page.fill("#q", question)
    tab.page.keyboard.press("Enter")
    tab.page.wait_for_selector("#hits")


def test_it_loads_without_a_complaint(tab: Tab, daemon: Shown) -> None:
    """No error, nothing that the policy forbids; the figures, sources and runs are there."""
    tab.page.wait_for_selector(".mood.idle")
    assert tab.text(".mood") == "Up to date"
    assert tab.text(".figure.indexed .value") == "6"
    assert str(daemon.folder) in tab.text("#sources")
    assert "indexing" in tab.text("#runs")
    assert tab.page.locator("#history svg").count() == 2
    tab.is_quiet()


def test_it_tells_of_a_change_by_itself(tab: Tab, daemon: Shown) -> None:
    """A new file is counted without a reload; so is that it goes."""
    tab.page.evaluate("window.kept = true")
    before = int(tab.text(".figure.indexed .value"))
    more = daemon.folder / "more.md"
    more.write_text("# More\n\nSomething new.\n", "utf-8")
    playwright.expect(tab.page.locator(".figure.indexed .value")).to_have_text(
        str(before + 1), timeout=WAIT_MS
    )
    more.unlink()
    playwright.expect(tab.page.locator(".figure.indexed .value")).to_have_text(
        str(before), timeout=WAIT_MS
    )
    assert tab.page.evaluate("window.kept")
    tab.is_quiet()


def test_it_finds_a_document(tab: Tab, daemon: Shown) -> None:
    """The chunk is shown with its file, heading and score; the question stays in the box."""
    search(tab, "lamp of the lighthouse")
    first = tab.page.locator("#hits li").first
    assert str(daemon.folder / "lighthouse.md") in first.inner_text()
    assert "The lighthouse" in first.locator(".headings").inner_text()
    assert "turns all night" in first.locator(".text").inner_text()
    assert re.search(r"score 0\.\d{3}", first.locator(".score").inner_text())
    assert tab.page.input_value("#q") == "lamp of the lighthouse"
    tab.is_quiet()


def test_a_search_keeps_to_the_source_that_was_chosen(tab: Tab) -> None:
    """Also where its name means harm; the choice stays."""
    tab.page.select_option("select[name=source]", HOSTILE_SOURCE)
    search(tab, "lamp of the lighthouse")
    paths = tab.page.locator("#hits .path").all_inner_texts()
    assert paths
    assert all(HOSTILE_SOURCE in path for path in paths)
    assert tab.page.input_value("select[name=source]") == HOSTILE_SOURCE
    tab.is_quiet()


def test_it_shows_what_failed_why_and_what_comes_next(tab: Tab, daemon: Shown) -> None:
    """With the path, the error, its code, and the time of the next try."""
    row = tab.page.locator("#failed tbody tr")
    assert row.count() == 1
    assert str(daemon.folder / BROKEN) in row.inner_text()
    assert "damaged archive" in row.inner_text()
    assert re.search(r"Tried again (at|soon)", row.inner_text())
    assert "ingestd why" in tab.text("#failed")


def test_documents_that_mean_harm_do_none(tab: Tab) -> None:
    """Names, titles, headings, texts and sources of HTML and script are shown as text."""
    search(tab, "dragons")
    shown = tab.text("main")
    assert HOSTILE_NAME in shown
    assert "<script>document.title='owned';alert(3)</script>" in shown
    assert HOSTILE_SOURCE in tab.text("#sources")
    assert (
        tab.page.locator("main img, main script, main iframe, main a[href^=javascript]").count()
        == 0
    )
    assert tab.page.locator("main svg[onload]").count() == 0
    assert "owned" not in tab.page.title()
    tab.is_quiet()


def test_names_that_turn_the_text_around_are_shown_not_obeyed(tab: Tab) -> None:
    """Control characters and those of direction are escaped in names and texts."""
    search(tab, "invoice bell dragons")
    shown = tab.text("main")
    assert "invoice\\u202ecod.md" in shown
    assert "a turn\\u202eof direction" in shown
    assert BELL.encode("unicode_escape").decode() in shown
    assert "\u202e" not in tab.page.content()
    assert "\x07" not in tab.page.content()


def test_the_keyboard_is_enough(tab: Tab) -> None:
    """A skip link comes first, a slash leads to the search, and its answer has the focus."""
    tab.page.keyboard.press("Tab")
    assert tab.page.evaluate("document.activeElement.className") == "skip"
    assert tab.page.locator(".skip").is_visible()
    tab.page.keyboard.press("Enter")
    tab.page.keyboard.press("/")
    assert tab.page.evaluate("document.activeElement.id") == "q"
    outline = "getComputedStyle(document.activeElement).outlineStyle"
    assert tab.page.evaluate(outline) == "solid"
    tab.page.keyboard.type("whales/eleven")
    assert tab.page.input_value("#q") == "whales/eleven"
    tab.page.keyboard.press("Enter")
    tab.page.wait_for_selector("#hits")
    assert tab.page.evaluate("document.activeElement.id") == "hits-heading"


def test_what_is_in_use_is_not_taken_away(tab: Tab, daemon: Shown) -> None:
    """A section with the focus changes when it is left; open details stay open."""
    (daemon.folder / "empty.md").write_bytes(b"")
    details = tab.page.locator("#figures details")
    details.locator("summary").click(timeout=WAIT_MS)
    (daemon.folder / "binary.md").write_bytes(bytes(range(256)) * 8)
    playwright.expect(tab.page.locator("#sources")).to_contain_text("skipped 2", timeout=WAIT_MS)
    held = tab.text(".figure.skipped .value")
    assert tab.page.evaluate("document.activeElement.tagName") == "SUMMARY"
    tab.page.locator("#q").focus()
    playwright.expect(tab.page.locator(".figure.skipped .value")).to_have_text("2")
    assert held == "1"
    assert tab.page.locator("#figures details").get_attribute("open") is not None
    for name in ("empty.md", "binary.md"):
        (daemon.folder / name).unlink()
    playwright.expect(tab.page.locator(".figure.skipped .value")).to_have_text("0")


def test_it_speaks_korean_and_english(browser: Browser, daemon: Shown) -> None:
    """As the browser asks; a switch is kept, also for what comes live, and the question stays."""
    with Tab(browser, locale="ko-KR") as tab:
        tab.page.goto(f"{daemon.url}/?q=whales")
        assert tab.page.evaluate("document.documentElement.lang") == "ko"
        assert "색인된 문서" in tab.text("#figures")
        assert "검색 결과" in tab.text("#hits")
        tab.page.click("a[hreflang=en]")
        tab.page.wait_for_selector("html[lang=en]")
        assert "Indexed documents" in tab.text("#figures")
        assert tab.page.input_value("#q") == "whales"
        tab.page.goto(daemon.url)
        assert tab.page.evaluate("document.documentElement.lang") == "en"
        (daemon.folder / "live.md").write_text("# Live\n\nNew.\n", "utf-8")
        playwright.expect(tab.page.locator(".figure.indexed .value")).to_have_text(
            "7", timeout=WAIT_MS
        )
        assert "Indexed documents" in tab.text("#figures")
        (daemon.folder / "live.md").unlink()
        playwright.expect(tab.page.locator(".figure.indexed .value")).to_have_text(
            "6", timeout=WAIT_MS
        )
        tab.is_quiet()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_its_colours_can_be_read(browser: Browser, daemon: Shown, scheme: Any) -> None:
    """As the system has it: every text stands out from its ground by 4.5 to 1 at least."""
    with Tab(browser, color_scheme=scheme, locale="en-GB") as tab:
        tab.page.goto(f"{daemon.url}/?q=dragons")
        back = tab.page.evaluate("getComputedStyle(document.body).backgroundColor")
        assert (int(re.findall(r"\d+", back)[0]) < 128) == (scheme == "dark")
        found = tab.page.evaluate(CONTRASTS)
        assert len(found) > 15
        assert {name: ratio for name, ratio in found.items() if ratio < LEAST_CONTRAST} == {}


def test_a_choice_of_colours_is_kept(browser: Browser, daemon: Shown) -> None:
    """Against the system's, over a reload."""
    with Tab(browser, color_scheme="light", locale="en-GB") as tab:
        tab.page.goto(daemon.url)
        tab.page.get_by_role("link", name="dark").click()
        tab.page.wait_for_selector("html[data-scheme=dark]")
        tab.page.reload()
        back = tab.page.evaluate("getComputedStyle(document.body).backgroundColor")
        assert int(re.findall(r"\d+", back)[0]) < 128
        tab.is_quiet()


@pytest.mark.parametrize("locale", ["en-GB", "ko-KR"])
def test_a_narrow_screen_needs_no_scrolling_sideways(
    browser: Browser, daemon: Shown, locale: str
) -> None:
    """Also with long names, a failure and hits."""
    with Tab(browser, locale=locale, viewport={"width": 390, "height": 844}) as tab:
        tab.page.goto(f"{daemon.url}/?q=dragons")
        assert tab.page.evaluate("document.documentElement.scrollWidth") <= 390
        over = """[...document.querySelectorAll('main *')]
            .filter((one) => one.checkVisibility() && one.getBoundingClientRect().right > 390
                && !one.closest('caption, thead'))
            .map((one) => one.outerHTML.slice(0, 80))"""
        assert tab.page.evaluate(over) == []


def test_it_works_without_scripts(browser: Browser, daemon: Shown) -> None:
    """The figures are there, and the search answers."""
    with Tab(browser, java_script_enabled=False, locale="en-GB") as tab:
        tab.page.goto(daemon.url)
        assert tab.text(".figure.indexed .value") == "6"
        tab.page.fill("#q", "whales sing")
        tab.page.click("button")
        assert "eleven hertz" in tab.text("#hits li:first-child")


def test_parts_of_the_page_have_names_and_roles(tab: Tab) -> None:
    """Landmarks, one first heading, tables with headers, charts with words for them."""
    roles: tuple[Any, ...] = ("banner", "main", "contentinfo", "search")
    assert [tab.page.get_by_role(role).count() for role in roles] == [1, 1, 1, 1]
    assert tab.page.get_by_role("heading", level=1).count() == 1
    assert tab.page.locator("th:not([scope])").count() == 0
    assert tab.page.locator("table:not(:has(caption))").count() == 0
    for name in tab.page.locator("svg").evaluate_all("all => all.map(e => e.ariaLabel)"):
        assert "24 hours" in name
    assert tab.page.locator("[style], script:not([src]), style").count() == 0


def test_other_names_and_other_sites_are_turned_away(daemon: Shown) -> None:
    """A site that calls itself by this machine's address, and one that asks from elsewhere."""
    for path in ("/", "/events", "/v1/status", "/v1/query?q=x", "/static/page.js"):
        with httpx.Client(base_url=daemon.url, timeout=10) as client:
            assert client.get(path, headers={"host": "evil.example"}).status_code == 421
            assert client.get(path, headers={"origin": "http://evil.example"}).status_code == 403


def test_programs_get_the_same_as_json(daemon: Shown) -> None:
    """``/v1/status`` and ``/v1/query``; what is asked wrongly is told."""
    with httpx.Client(base_url=daemon.url, timeout=30) as client:
        status = client.get("/v1/status").json()
        assert status["documents"]["indexed"] == 6
        hits = client.get("/v1/query", params={"q": "whales sing", "n": 2}).json()["hits"]
        assert [hit["rank"] for hit in hits] == [1, 2]
        assert hits[0]["metadata"]["path"] == "whales.md"
        for wrong in ({}, {"q": " "}, {"q": "x", "n": "0"}, {"q": "x", "n": "many"}):
            answer = client.get("/v1/query", params=wrong)
            assert (answer.status_code, answer.json()["code"]) == (400, "request")
        answer = client.get("/v1/query", params={"q": "x", "source": "none"})
        assert answer.status_code == 404


def test_a_daemon_that_goes_away_is_told_and_comes_back(browser: Browser, tmp_path: Path) -> None:
    """An empty one says what to do; the page says since when it hears nothing, and goes on."""
    folder = tmp_path / "nothing"
    folder.mkdir()
    daemon = Shown(folder, state=tmp_path / "state")
    with Tab(browser, locale="en-GB") as tab:
        with daemon:
            tab.page.goto(daemon.url)
            assert tab.text(".mood") == "Nothing indexed yet"
            assert "ingestd run DIR" in tab.text("#state")
            tab.is_quiet()
        away = tab.page.locator("#away")
        away.wait_for()
        assert re.search(r"No connection to the daemon since \d+:\d\d", away.inner_text())
        shutil.copy(__file__, folder / "one.py")
        with daemon:
            away.wait_for(state="hidden", timeout=60_000)
            playwright.expect(tab.page.locator(".figure.indexed .value")).to_have_text(
                "1", timeout=WAIT_MS
            )


def test_a_pause_is_told_with_what_helps(browser: Browser, tmp_path: Path) -> None:
    """A full disk: the state, the reason and the hint; nothing is promised of when it is done."""
    folder = tmp_path / "docs"
    folder.mkdir()
    (folder / "one.md").write_text("# One\n", "utf-8")
    daemon = Shown(folder, state=tmp_path / "state", LIMITS__FREE_BYTES=str(2**60))
    with (tmp_path / "state.log").open("wb") as log:
        daemon.launch(log)
    try:
        eventually(lambda: daemon.events("watching"))
        with Tab(browser, locale="ko-KR") as tab:
            tab.page.goto(daemon.url)
            tab.page.wait_for_selector("[data-code=disk_full]")
            assert "디스크가 가득 차서" in tab.text("#state")
            assert "limits.free_bytes" in tab.text("#state")
            playwright.expect(tab.page.locator(".figure.waiting .note")).to_have_text(
                "지금은 처리가 멈춰 있음", timeout=WAIT_MS
            )
            tab.is_quiet()
    finally:
        daemon.stop()


def test_beyond_this_machine_a_token_is_asked_for(browser: Browser, tmp_path: Path) -> None:
    """A browser asks for it as a password; then the page is live as well."""
    folder = tmp_path / "docs"
    folder.mkdir()
    daemon = Shown(folder, state=tmp_path / "state", HTTP__TOKEN=TOKEN)
    daemon.settings["HTTP__LISTEN"] = f"0.0.0.0:{daemon.page}"
    with daemon:
        for path in ("/", "/events", "/v1/status", "/v1/query?q=x", "/static/page.css"):
            assert httpx.get(f"{daemon.url}{path}").status_code == 401
        refused = pytest.raises(playwright.Error, match="ERR_INVALID_AUTH_CREDENTIALS")
        with Tab(browser) as tab, refused:
            tab.page.goto(daemon.url)
        shown = {"username": "any", "password": TOKEN}
        with Tab(browser, http_credentials=shown, locale="en-GB") as tab:
            tab.page.goto(daemon.url)
            (folder / "new.md").write_text("# New\n", "utf-8")
            playwright.expect(tab.page.locator(".figure.indexed .value")).to_have_text(
                "1", timeout=WAIT_MS
            )
            tab.is_quiet()
