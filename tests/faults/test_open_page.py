"""The operators' page stands open for ten minutes over a thousand agents that live, and somebody works at it: it stays
as large as it was after the first minute. How long things took is noted, not judged: it depends on the machine."""

import contextlib
import json
import random
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator

import httpx
import pytest

from tests.edge.dashboard.conftest import World, chromium, signed_in, world
from tests.edge.dashboard.test_many_agents import a_thousand_agents, counted, first_of
from tests.edge.dashboard.test_operator_day import go
from tests.faults.figures import Figures, milliseconds
from tests.support.browser import Page
from tests.support.gateway import eventually

__all__ = ["chromium", "signed_in", "world"]

LOOKED_AT = (0, 60, 120, 300, 600)  # seconds
CALLS = 40  # a second
PAUSE = 5.0  # seconds between two things that somebody does

TIMED = """
window.longTasks = [];
new PerformanceObserver(list => longTasks.push(...list.getEntries().map(one => one.duration)))
    .observe({type: 'longtask'});
window.timed = async (act, done) => {
    const began = performance.now();
    act();
    document.body.offsetHeight;
    while (done && !done()) await new Promise(requestAnimationFrame);
    return (performance.now() - began) / 1000;
};
window.written = (selector, value) => timed(() => {
    const node = document.querySelector(selector);
    node.value = value;
    node.dispatchEvent(new Event('input', {bubbles: true}));
});
window.scrolled = async () => {
    let [longest, before] = [0, performance.now()];
    for (let frame = 0; frame < 30; frame++) {
        scrollBy(0, frame < 15 ? 100 : -100);
        await new Promise(requestAnimationFrame);
        longest = Math.max(longest, performance.now() - before);
        before = performance.now();
    }
    return longest / 1000;
};
"""


class Person:
    """Filters, sorts, turns pages, scrolls and opens agents, and knows how many seconds each took."""

    def __init__(self, page: Page) -> None:
        self._page = page
        self._random = random.Random(7)
        self._times = 0
        self.took: dict[str, list[float]] = defaultdict(list)
        page.run(TIMED)

    def works(self) -> None:
        """Opens an agent every sixth time."""
        self._times += 1
        if self._times % 6 == 0:
            self.opens_an_agent()
        for text in ("07", "077", ""):
            self._does("filter", f"written('input[name=text]', {json.dumps(text)})")
        by = self._random.choice(["name", "requests", "cost", "seen", "trouble"])
        self._does("sort", f"written('select[name=sort]', {json.dumps(by)})")
        self._does("turn", "timed(() => document.querySelector('.pager button:last-child').click())")
        self._does("scroll", "scrolled()")

    def opens_an_agent(self) -> None:
        there = "document.querySelector('main .chart, main .charts .empty') && document.querySelector('main dl')"
        self._does("open", f"timed(() => document.querySelector('tbody a').click(), () => {there})")
        self._page.run("history.back()")
        self._page.reads("1,000 of 1,000")
        self._page.fill("select[name=sort]", "name")
        first_of(self._page, "agent 0000")

    def _does(self, what: str, script: str) -> None:
        self.took[what].append(self._page.run(script))


@contextlib.contextmanager
def living(world: World) -> Iterator[list[int]]:
    """Agents go on calling, and every second one of them is stopped or let go; how many were, is counted."""
    ids: list[str] = []

    def known() -> bool:
        ids[:] = [one["agent_id"] for one in world.agents()]
        return len(ids) == 1000

    eventually(known)
    over = threading.Event()
    moved = [0]

    def live() -> None:
        drawn = random.Random(11)
        stopped = ""
        while not over.wait(1.0):
            names = [f"agent {n:04}" for n in drawn.sample(range(1000), CALLS)]
            rows = [{"name": n, "provider": "mine", "model": "m", "latency_ms": drawn.uniform(90, 900)} for n in names]
            with contextlib.suppress(httpx.HTTPError, AssertionError):  # what is late on a busy machine comes later
                world.report(rows)
                agent_id = stopped or drawn.choice(ids)
                how = "DELETE" if stopped else "POST"
                moved[0] += world.gateway.ask(how, f"/quarantine/{agent_id}", json={"reason": "tried"}).is_success
                stopped = "" if stopped else agent_id

    thread = threading.Thread(target=live)
    thread.start()
    try:
        yield moved
    finally:
        over.set()
        thread.join()


@pytest.mark.faults
@pytest.mark.timeout(1200)
def test_a_page_that_stands_open_does_not_grow(world: World, signed_in: Callable[..., Page], figures: Figures) -> None:
    a_thousand_agents(world)
    page = signed_in()
    go(page, "agents", "1,000 of 1,000")
    person = Person(page)
    counts = []
    with living(world) as moved:
        began = time.monotonic()
        for at in LOOKED_AT:
            while time.monotonic() < began + at:
                person.works()
                time.sleep(PAUSE)
            person.opens_an_agent()
            counts.append(counted(page))
        go(page, "", "Latest events")
        page.until("document.querySelectorAll('main .events li').length > 5")
    long_tasks = page.run("longTasks")
    figures.note(
        "open_page",
        agents=1000,
        moved=moved[0],
        at_seconds=LOOKED_AT,
        **{name: [one[key] for one in counts] for key, name in COUNTED.items()},
        requests=len(page.requests),
        long_tasks=len(long_tasks),
        long_task_max_ms=max(long_tasks, default=0.0),
    )
    for what, seconds in person.took.items():
        figures.note("open_page", **milliseconds(seconds, f"{what}_"))
    assert moved[0] > LOOKED_AT[-1] / 4
    settled, *_, last = counts[1:]
    assert max(one["Outside"] for one in counts) <= 300
    assert last["Documents"] == settled["Documents"]
    assert last["JSEventListeners"] <= settled["JSEventListeners"] + 5
    assert last["JSHeapUsedSize"] <= settled["JSHeapUsedSize"] * 1.25


COUNTED = {
    "JSHeapUsedSize": "heap_bytes",
    "Nodes": "nodes",
    "Outside": "nodes_outside",
    "Documents": "documents",
    "JSEventListeners": "listeners",
}
