"""A page with a thousand agents, and with agents that choose their names to do harm."""

import contextlib
import json
from collections.abc import Callable

from tests.edge.dashboard.conftest import World
from tests.edge.dashboard.test_operator_day import go
from tests.support.browser import Page
from tests.support.gateway import eventually

NAUGHTY = (
    "<script>window.hacked = 1</script>",
    "<img src=x onerror='window.hacked = 1'>",
    "\"><svg/onload=window.hacked=1>",
    "javascript:window.hacked=1//",
    "{{constructor.constructor('window.hacked=1')()}}",
    "${window.hacked=1}",
    "';DROP TABLE agents;--",
    "<a href='https://evil.example'>click</a>",
    "__proto__",
    "constructor",
    "%00%0a%3Cb%3E",
    "Ω≈ç√∫ 田中 社會 😍 زبان",
    "Z̮̞̠͙͔ͅḀ̗̞͈̻̗Ḷ͙͎̯̹̞͓G̻O̭̗̮",
    "a" * 190,
    "undefined", "null", "NaN", "-0", "1e309",
)  # fmt: skip

MARKUP = "document.querySelectorAll('main script, main img, main svg[onload], main a[href^=http]').length"
COUNT_WORK = """
window.work = {rows: 0};
new MutationObserver(seen => seen.forEach(one => work.rows += one.addedNodes.length))
    .observe(document.querySelector('tbody'), {childList: true});
"""


def a_thousand_agents(world: World) -> None:
    for first in range(0, 1000, 200):
        world.report(
            [
                {"name": f"agent {n:04}", "provider": "mine", "model": f"model-{n % 7}", "latency_ms": 100 + n % 90}
                for n in range(first, first + 200)
                for _ in range(2 if n < 100 else 1)  # those with two calls have a line
            ]
        )


def first_of(page: Page, name: str) -> None:
    """Waits until this agent is the first row, and the lines of all rows are drawn."""
    page.until(f"document.querySelector('tbody a').textContent === {json.dumps(name)}")

    def drawn() -> bool:
        with contextlib.suppress(AssertionError):
            page.until("!document.querySelector('tbody').textContent.includes('…')", within=3.0)
            return True
        looked(page, 1)  # what a busy Redis refused is asked for at the next look
        return False

    eventually(drawn)


def looked(page: Page, times: int) -> None:
    """The page looks at all agents so many times, one after the other: each look writes anew when they were seen."""
    for _ in range(times):
        page.run(
            "new Promise(done => {"
            "const look = () => document.dispatchEvent(new Event('visibilitychange'));"
            "const again = setInterval(look, 2000);"  # a look that a busy Redis refused writes nothing
            "new MutationObserver((seen, it) => { it.disconnect(); clearInterval(again); done(); })"
            ".observe(document.querySelector('tbody'), {childList: true, subtree: true});"
            "look(); })"
        )


def counted(page: Page) -> dict[str, float]:
    """Chromium's counts, and `Outside`: nodes alive but not in the document."""
    page.metrics()  # what the first collection lets go of is gone after the second
    counts = page.metrics()
    inside = page.run(
        "(() => { let n = 1; const w = document.createTreeWalker(document); while (w.nextNode()) n++; return n })()"
    )
    return {**counts, "Outside": counts["Nodes"] - inside}


def test_what_agents_say_is_only_ever_text(world: World, signed_in: Callable[..., Page]) -> None:
    world.report(
        [
            {"name": text, "provider": "mine", "model": text[:100], "tool_names": [text[:60]], "output_tokens": 9}
            for text in NAUGHTY
        ]
    )
    eventually(lambda: len(world.agents()) == len(NAUGHTY))
    page = signed_in()
    go(page, "agents", f"{len(NAUGHTY)} of {len(NAUGHTY)}")
    shown = page.run("Object.fromEntries([...document.querySelectorAll('tbody a')].map(n => [n.hash, n.textContent]))")
    assert set(shown.values()) == set(NAUGHTY)
    assert page.run(MARKUP) == 0
    for place, text in shown.items():
        go(page, place.removeprefix("#/"), "Policy in effect")
        page.until(f"document.querySelector('h1').textContent === {json.dumps(text)}")
        assert page.run(MARKUP) == 0
    assert page.run("window.hacked === undefined && ({}).hacked === undefined")


def test_a_thousand_agents_are_fifty_rows_that_do_not_grow(world: World, signed_in: Callable[..., Page]) -> None:
    a_thousand_agents(world)
    page = signed_in()
    go(page, "agents", "1,000 of 1,000")
    page.reads("Page 1 of 20")
    page.run(COUNT_WORK)
    page.fill("select[name=sort]", "name")
    first_of(page, "agent 0000")
    looked(page, 1)
    before = counted(page)
    page.click("Next")
    first_of(page, "agent 0050")
    page.click("Previous")
    first_of(page, "agent 0000")
    assert page.run("work.rows") <= 150  # fifty for each of the three
    page.run("work.rows = 0")
    looked(page, 4)
    assert page.run("work.rows") == 0  # rows that are there stay
    assert page.run("document.querySelectorAll('tbody tr').length") == 50
    after = counted(page)
    assert (after["Documents"], after["JSEventListeners"]) == (before["Documents"], before["JSEventListeners"])
    assert after["Nodes"] <= before["Nodes"] + 50
    assert after["JSHeapUsedSize"] <= before["JSHeapUsedSize"] * 1.2
    page.fill("input[name=text]", "0777")
    page.reads("1 of 1,000")
    assert page.run("document.querySelector('tbody a').textContent") == "agent 0777"
    assert counted(page)["Outside"] <= 300  # a hundred in its fields; a row has 27, and a hundred of them are gone
