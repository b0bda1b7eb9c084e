"""A thread for what may hang: whoever waits for it can leave it behind."""

import asyncio
import contextlib
import threading
from collections.abc import Callable
from queue import SimpleQueue
from typing import Any


class Hand:
    """Does jobs one after another, away from the loop. A daemon: a disk that hangs does not keep the process alive."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._jobs: SimpleQueue[tuple[Callable[[], Any], asyncio.Future[Any]] | None] = SimpleQueue()
        threading.Thread(target=self._work, name="audit", daemon=True).start()

    def submit(self, job: Callable[[], Any]) -> "asyncio.Future[Any]":
        future: asyncio.Future[Any] = self._loop.create_future()
        future.add_done_callback(lambda done: done.cancelled() or done.exception())  # perhaps nobody asks any more
        self._jobs.put((job, future))
        return future

    def leave(self) -> None:
        """Let the thread end after what it is doing."""
        self._jobs.put(None)

    def _work(self) -> None:
        while (item := self._jobs.get()) is not None:
            job, future = item
            result: Any = None
            failure: BaseException | None = None
            try:
                result = job()
            except BaseException as error:  # broad: it is raised where the job is waited for
                failure = error
            with contextlib.suppress(RuntimeError):  # the loop is closed: nobody waits any more
                self._loop.call_soon_threadsafe(_tell, future, result, failure)
            del item, job, future, result, failure  # what they hold must not live until the next job comes


def _tell(future: "asyncio.Future[Any]", result: Any, failure: BaseException | None) -> None:
    if future.done():
        return
    if failure is not None:
        future.set_exception(failure)
    else:
        future.set_result(result)
