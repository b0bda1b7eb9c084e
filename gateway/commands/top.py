"""`leuko top`: the fleet as it lives, and an operator's hand on it."""

import io
import sys
import time
from collections.abc import Callable
from dataclasses import asdict
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gateway.commands.session import Output, Session, quoted

if TYPE_CHECKING:
    from gateway.commands.client import AdminClient
    from gateway.commands.top_feed import Feed
    from gateway.commands.top_terminal import Terminal
    from gateway.commands.top_view import Document, Pane, View

_REASON = "by hand, in leuko top"
_BEAT = 1.0  # seconds after which the clock on the screen is drawn anew
_PAGE = 10


def top(
    session: Session,
    once: Annotated[bool, typer.Option("--once", help="Print one frame and end; so it is without a terminal.")] = False,
) -> None:
    """Watch agents, approvals and incidents live, and act on them; every act asks first."""
    if once or not (sys.stdin.isatty() and sys.stdout.isatty()):
        _print_once(session)
        return
    from gateway.commands.top_feed import Feed
    from gateway.commands.top_terminal import terminal

    client = session.client
    wake: list[Callable[[], None]] = []
    feed = Feed(client, lambda: wake[0]() if wake else None)
    feed.begin()
    try:
        with terminal() as screen:
            wake.append(screen.wake)
            Watch(client, feed, screen).run()
    except KeyboardInterrupt:
        pass
    finally:
        wake.clear()
        feed.end()


def _print_once(session: Session) -> None:
    """Rates take two readings, a second apart."""
    from rich.console import Console

    from gateway.commands.top_feed import Feed
    from gateway.commands.top_frame import frame
    from gateway.commands.top_view import View

    feed = Feed(session.client, lambda: None)
    feed.read()
    if session.output is Output.JSON:
        session.show_one({name: value for name, value in asdict(feed.latest).items() if name != "at"})
        return
    if feed.latest.agents:
        time.sleep(_BEAT)
        feed.read()
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")
    console = Console(markup=False, emoji=False, highlight=False)
    view = View(session.client.url, _clock(), feed.latest, feed.rates, stale=feed.stale, keys=False)
    for line in frame(view, console.width, None):
        line.rstrip()
        console.print(line, soft_wrap=True)


class Watch:
    """Draws what the feed has, and does what is typed and confirmed."""

    def __init__(self, client: "AdminClient", feed: "Feed", screen: "Terminal") -> None:
        self._client = client
        self._feed = feed
        self._screen = screen
        self._pane: Pane = "agents"
        self._selected: dict[Pane, str] = {"agents": "", "approvals": ""}
        self._said = ""
        self._asked: tuple[str, Callable[[], None]] | None = None

    def run(self) -> None:
        """Until `q`."""
        while True:
            self.draw()
            for key in self._screen.keys(_BEAT):
                if key == "q" and self._asked is None:
                    return
                self.press(key)

    def draw(self) -> None:
        from gateway.commands.top_frame import frame

        width, height = self._screen.size
        self._screen.draw(frame(self.view(), width, height))

    def view(self) -> "View":
        from gateway.commands.top_view import View

        self._settle()
        return View(
            self._client.url,
            _clock(),
            self._feed.latest,
            self._feed.rates,
            self._selected[self._pane],
            self._pane,
            self._feed.stale,
            self._asked[0] if self._asked else "",
            self._said,
            self._feed.event,
        )

    def press(self, key: str) -> None:
        """Anything but `y` takes back what was asked for."""
        if self._asked is not None:
            asked, self._asked = self._asked, None
            self._said = "…" if key == "y" else "not done"
            if key == "y":
                self._feed.order(asked[1])
            return
        self._said = ""
        steps = {"up": -1, "k": -1, "down": 1, "j": 1, "page up": -_PAGE, "page down": _PAGE}
        if key in steps:
            self._move(steps[key])
        elif key == "tab":
            self._pane = "approvals" if self._pane == "agents" else "agents"
        elif key in ("Q", "r", "h"):
            self._ask_about_agent(key)
        elif key in ("a", "x"):
            self._ask_about_approval(key)

    def _rows(self) -> "list[Document]":
        from gateway.commands.top_view import in_order

        if self._pane == "approvals":
            return list(self._feed.latest.approvals)
        return in_order(self._feed.latest.agents, self._feed.rates)

    def _id(self, row: "Document") -> str:
        return str(row["agent_id" if self._pane == "agents" else "approval_id"])

    def _settle(self) -> None:
        """What is selected is there; a row that went is followed by the first."""
        ids = [self._id(row) for row in self._rows()]
        if self._selected[self._pane] not in ids:
            self._selected[self._pane] = ids[0] if ids else ""

    def _move(self, by: int) -> None:
        self._settle()
        ids = [self._id(row) for row in self._rows()]
        if ids:
            at = ids.index(self._selected[self._pane]) + by
            self._selected[self._pane] = ids[max(0, min(at, len(ids) - 1))]

    def _ask_about_agent(self, key: str) -> None:
        from gateway.commands.top_view import called

        self._settle()
        agent_id = self._selected["agents"]
        if self._pane != "agents" or not agent_id:
            self._said = "select an agent first"
            return
        path = quoted(agent_id)
        verb, method, place, body = {
            "Q": ("Quarantine", "POST", f"/quarantine/{path}", {"reason": _REASON}),
            "r": ("Release", "DELETE", f"/quarantine/{path}", {"reason": _REASON}),
            "h": ("Heal now", "POST", f"/agents/{path}/heal", None),
        }[key]
        name = called(self._feed.latest.agents, agent_id)
        whom = agent_id if agent_id.startswith(name.rstrip("…")) else f"{name} ({agent_id})"
        self._asked = (f"{verb} {whom}?", self._order(method, place, body, "state"))

    def _ask_about_approval(self, key: str) -> None:
        """In the pane of agents it is about the agent's oldest, else the oldest of all."""
        from gateway.commands.top_frame import approval_line

        view = self.view()
        waiting = list(reversed(self._feed.latest.approvals))
        if self._pane == "approvals":
            waiting = [one for one in waiting if one["approval_id"] == view.selected]
        waiting.sort(key=lambda one: one["agent_id"] != view.selected)
        if not waiting:
            self._said = "nothing waits for a person"
            return
        one, verb = waiting[0], {"a": "approve", "x": "reject"}[key]
        path = f"/approvals/{quoted(one['approval_id'])}/{verb}"
        text = f"{verb.capitalize()} {one['approval_id']}, {approval_line(view, one)}?"
        self._asked = (text, self._order("POST", path, {"reason": _REASON}, "status"))

    def _order(self, method: str, path: str, body: "dict[str, Any] | None", member: str) -> Callable[[], None]:
        """Runs in the feed's thread."""
        from gateway.commands.client import Failure

        def run() -> None:
            try:
                answer = self._client.ask(method, path, body=body)
            except Failure as failure:
                self._said = f"not done: {failure}"
            else:
                self._said = f"done: {answer[member]}" if isinstance(answer, dict) and member in answer else "done"

        return run


def _clock() -> str:
    return datetime.now().strftime("%H:%M:%S")
