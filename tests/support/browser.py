"""Debian's Chromium without a window, driven over the DevTools protocol on a pipe
(https://chromedevtools.github.io/devtools-protocol), and whatever it complains about."""

import base64
import contextlib
import json
import os
import shutil
import signal
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

WITHIN = 20.0
_HARMLESS = ("NavigationEntryMarkedSkippable", "PerformanceIssue")  # issues that say what tests do, not what is wrong
_PROGRAMS = ("chromium", "chromium-browser", "google-chrome")
_FLAGS = (
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-default-apps",
    "--disable-extensions",
    "--disable-sync",
    "--no-first-run",
    "--remote-debugging-pipe",
    "--force-color-profile=srgb",
)


class Chromium:
    """One process. Messages are JSON between NUL bytes, on its file descriptors 3 and 4."""

    def __init__(self, program: str, profile: Path) -> None:
        its_in, self._out = os.pipe()
        self._in, its_out = os.pipe()
        self._profile = profile

        def at_three_and_four() -> None:
            read, write = os.dup(its_in), os.dup(its_out)  # so that neither is overwritten
            os.dup2(read, 3)
            os.dup2(write, 4)

        self._process = subprocess.Popen(
            [program, *_FLAGS, f"--user-data-dir={profile}", "about:blank"],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            close_fds=False,
            preexec_fn=at_three_and_four,
            start_new_session=True,
        )
        os.close(its_in)
        os.close(its_out)
        self._last = 0
        self._answers: dict[int, dict[str, Any]] = {}
        self._changed = threading.Condition()
        self._over = False
        self._pages: dict[str, Page] = {}
        threading.Thread(target=self._read, daemon=True).start()

    def page(self, width: int = 1440, height: int = 900) -> "Page":
        """A new tab, with cookies of its own."""
        context = self.ask("Target.createBrowserContext", disposeOnDetach=True)["browserContextId"]
        target = self.ask("Target.createTarget", url="about:blank", browserContextId=context)["targetId"]
        session = self.ask("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        page = self._pages[session] = Page(self, session, target)
        page.begin(width, height)
        return page

    def ask(self, method: str, *, session: str | None = None, **params: Any) -> dict[str, Any]:
        with self._changed:
            self._last += 1
            number = self._last
        message: dict[str, Any] = {"id": number, "method": method, "params": params}
        if session is not None:
            message["sessionId"] = session
        os.write(self._out, json.dumps(message).encode() + b"\0")
        with self._changed:
            assert self._changed.wait_for(lambda: number in self._answers or self._over, WITHIN), f"{method}: no answer"
            assert number in self._answers, f"{method}: Chromium is gone"
            answer = self._answers.pop(number)
        assert "error" not in answer, f"{method}: {answer['error']}"
        result: dict[str, Any] = answer["result"]
        return result

    def close(self) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        os.close(self._out)
        shutil.rmtree(self._profile, ignore_errors=True)

    def _read(self) -> None:
        rest = b""
        while chunk := os.read(self._in, 1 << 16):
            *whole, rest = (rest + chunk).split(b"\0")
            for raw in whole:
                self._take(json.loads(raw))
        os.close(self._in)
        with self._changed:
            self._over = True
            self._changed.notify_all()

    def _take(self, message: dict[str, Any]) -> None:
        with self._changed:
            if "id" in message:
                self._answers[message["id"]] = message
            elif (page := self._pages.get(message.get("sessionId", ""))) is not None:
                page.take(message["method"], message["params"])
            self._changed.notify_all()


class Page:
    """One tab. `problems`: what its console and its security policy said; `requests`: the addresses it asked for."""

    def __init__(self, chromium: Chromium, session: str, target: str) -> None:
        self._chromium = chromium
        self._target = target
        self._session = session
        self.problems: list[str] = []
        self.requests: list[str] = []

    def begin(self, width: int, height: int) -> None:
        for domain in ("Page", "Runtime", "Log", "Network", "Performance", "Audits"):
            self.ask(f"{domain}.enable")
        self.ask("Emulation.setFocusEmulationEnabled", enabled=True)  # every tab is the one in front
        self.size(width, height)

    def ask(self, method: str, **params: Any) -> dict[str, Any]:
        return self._chromium.ask(method, session=self._session, **params)

    def take(self, method: str, params: dict[str, Any]) -> None:
        """An event."""
        if method == "Runtime.consoleAPICalled" and params["type"] in ("error", "warning", "assert"):
            self.problems.append(f"console: {[one.get('value', one.get('description')) for one in params['args']]}")
        elif method == "Runtime.exceptionThrown":
            details = params["exceptionDetails"]
            self.problems.append(f"exception: {details.get('exception', {}).get('description', details['text'])}")
        elif method == "Log.entryAdded" and params["entry"]["level"] in ("error", "warning"):
            self.problems.append(f"log: {params['entry']['text']} {params['entry'].get('url', '')}")
        elif method == "Audits.issueAdded" and not any(one in str(params) for one in _HARMLESS):
            self.problems.append(f"issue: {params['issue']}")
        elif method == "Network.requestWillBeSent":
            self.requests.append(params["request"]["url"])

    def close(self) -> None:
        self._chromium.ask("Target.closeTarget", targetId=self._target)

    def size(self, width: int, height: int) -> None:
        self.ask(
            "Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=width < 600
        )

    def theme(self, name: str) -> None:
        """What the machine's owner prefers: `light` or `dark`."""
        self.ask("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": name}])

    def open(self, url: str) -> None:
        self.ask("Page.navigate", url=url)

    def run(self, script: str) -> Any:
        """The value of an expression, awaited."""
        answer = self.ask("Runtime.evaluate", expression=script, awaitPromise=True, returnByValue=True)
        assert "exceptionDetails" not in answer, f"{script[:200]}: {answer['exceptionDetails']}"
        return answer["result"].get("value")

    def until(self, script: str, within: float = WITHIN) -> None:
        """Ask again and again until the expression is true."""
        end = time.monotonic() + within
        while True:
            if self.run(f"(() => {{ try {{ return !!({script}) }} catch {{ return false }} }})()"):
                return
            assert time.monotonic() < end, f"never true: {script}\n{self.text()}\n{self.problems}"
            time.sleep(0.05)

    def text(self) -> str:
        """What can be read on the page."""
        return str(self.run("document.body ? document.body.innerText : ''"))

    def reads(self, text: str, within: float = WITHIN) -> None:
        self.until(f"document.body.innerText.includes({json.dumps(text)})", within)

    def click(self, name: str, within: str = "document") -> None:
        """The button or link of this name, clicked as by a mouse, once it is there and enabled."""
        wanted = json.dumps(name)
        find = (
            f"[...{within}.querySelectorAll('button, a, summary')].find(n => n.checkVisibility() && !n.disabled && "
            f"(n.textContent.trim() === {wanted} || n.getAttribute('aria-label') === {wanted}))"
        )
        self.until(f"!!{find}")
        self.run(f"{find}.click()")

    def fill(self, selector: str, value: str) -> None:
        """Write into a field as a person does: the page hears of it."""
        place = json.dumps(selector)
        self.until(f"!!document.querySelector({place})")
        self.run(
            f"(() => {{ const n = document.querySelector({place}); n.focus(); n.value = {json.dumps(value)};"
            "n.dispatchEvent(new Event('input', {bubbles: true}));"
            "n.dispatchEvent(new Event('change', {bubbles: true})); })()"
        )

    def press(self, key: str) -> None:
        """`Tab`, `Enter` or `Escape`."""
        code, text = {"Tab": (9, ""), "Enter": (13, "\r"), "Escape": (27, "")}[key]
        named: dict[str, Any] = {"key": key, "code": key, "windowsVirtualKeyCode": code}
        self.ask("Input.dispatchKeyEvent", type="keyDown" if text else "rawKeyDown", text=text, **named)
        self.ask("Input.dispatchKeyEvent", type="keyUp", **named)

    def picture(self, path: Path, whole: bool = True) -> None:
        """A screenshot, of all that can be scrolled to."""
        shown = self.ask("Page.captureScreenshot", format="png", captureBeyondViewport=whole)
        path.write_bytes(base64.b64decode(shown["data"]))

    def metrics(self) -> dict[str, float]:
        """Chromium's own counts: `Nodes`, `JSEventListeners`, `JSHeapUsedSize` after collecting garbage, …"""
        self.ask("HeapProfiler.collectGarbage")
        return {one["name"]: one["value"] for one in self.ask("Performance.getMetrics")["metrics"]}


@contextmanager
def running_chromium(directory: Path) -> Iterator[Chromium]:
    """For the length of a block; skips the test where it is missing."""
    program = next(filter(None, map(shutil.which, _PROGRAMS)), None)
    if program is None:
        pytest.skip("NOT TESTED: no chromium here; install the package chromium")
    chromium = Chromium(program, directory / "profile")
    try:
        yield chromium
    finally:
        chromium.close()
