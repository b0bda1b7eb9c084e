"""A page with a thousand agents, and with agents that choose their names to do harm."""

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


def test_what_agents_say_is_only_ever_text(world: World, signed_in: Callable[..., Page]) -> None:
    for text in NAUGHTY:
        world.reports(text, 1, model=text[:100], tool_names=[text[:60]])
        world.known(text)
    page = signed_in()
    go(page, "agents", f"{len(NAUGHTY)} of {len(NAUGHTY)}")
    shown = set(page.run("[...document.querySelectorAll('tbody a')].map(n => n.textContent)"))
    assert shown == set(NAUGHTY)
    elements = page.run(
        "document.querySelectorAll('main script, main img, main svg[onload], main a[href^=http]').length"
    )
    for text in NAUGHTY:
        go(page, f"agent/{world.known(text)}", "Policy in effect")
        page.until("document.querySelector('h1').textContent !== document.querySelector('main code').textContent")
        assert page.run("document.querySelector('h1').textContent") == text
    assert (elements, page.run("window.hacked === undefined && ({}).hacked === undefined")) == (0, True)


def test_a_thousand_agents_are_fifty_rows_that_do_not_grow(world: World, signed_in: Callable[..., Page]) -> None:
    rows = [{"name": f"agent {n:04}", "model": f"model-{n % 7}", "latency_ms": 100 + n % 90} for n in range(1000)]
    for first in range(0, 1000, 100):
        world.report(
            [{"provider": "mine", "input_tokens": 9, "output_tokens": 9, **r} for r in rows[first : first + 100]]
        )
    page = signed_in()
    go(page, "agents", "1,000 of 1,000")
    page.reads("Page 1 of 20")
    assert page.run("document.querySelectorAll('tbody tr').length") == 50
    page.fill("input[name=text]", "0777")
    page.reads("1 of 1,000")
    assert page.run("document.querySelector('tbody a').textContent") == "agent 0777"
    page.fill("input[name=text]", "")
    page.fill("select[name=sort]", "name")
    page.click("Next")
    page.until("document.querySelector('tbody a').textContent === 'agent 0050'")

    def looked(times: int) -> None:
        """The page looks at all agents so many times."""
        everyone = f"{world.gateway.url}/api/gateway/agents?limit=250"
        for _ in range(times):
            before = page.requests.count(everyone)
            page.run("document.dispatchEvent(new Event('visibilitychange'))")
            eventually(lambda before=before: page.requests.count(everyone) > before)

    page.until("!document.querySelector('tbody').textContent.includes('…')")
    looked(5)
    before = page.metrics()
    looked(15)
    after = page.metrics()
    assert page.run("document.querySelectorAll('tbody tr').length") == 50
    assert after["Nodes"] <= before["Nodes"] * 1.1
    assert after["JSEventListeners"] <= before["JSEventListeners"] + 20
