"""One exchange with a model, measured by the agent that has it."""

from collections.abc import Callable
from typing import Any, Unpack

from gateway.sdk.reported import Reported, failure


class Exchange:
    """Times its block, and reports when it ends: `with reporter.exchange(model="gpt-4o") as exchange: ...`.

    An exception is reported by its kind and goes on. No method raises, whatever it is given.

    Args:
        report: takes the vitals.
        clock: monotonic seconds.
    """

    def __init__(self, report: Callable[..., None], clock: Callable[[], float], vitals: dict[str, Any]) -> None:
        self._report = report
        self._clock = clock
        self._vitals = vitals
        self._tools: list[Any] = []
        self._tool_errors = 0
        self._started = clock()

    def tokens(self, input: int, output: int, *, cached: int | None = None, reasoning: int | None = None) -> None:
        """The usage that the provider told: input with the cached tokens, output with those of reasoning."""
        self.tell(input_tokens=input, output_tokens=output)
        self._vitals |= {"cached_tokens": cached, "reasoning_tokens": reasoning}

    def first_token(self) -> None:
        """The answer begins; only the first word counts."""
        self._vitals.setdefault("ttft_ms", self._passed())

    def tool(self, name: str, *, error: bool = False) -> None:
        """The answer calls a tool. `error`: the tool failed."""
        self._tools.append(name)
        self._tool_errors += bool(error)

    def tell(self, **vitals: Unpack[Reported]) -> None:
        """Anything else that is known of it: `finish_reason="stop"`, `conversation="talk-7"`."""
        self._vitals |= vitals

    def __enter__(self) -> "Exchange":
        self._started = self._clock()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> None:
        vitals = {"latency_ms": self._passed(), **self._vitals}
        if self._tools:
            vitals = {"tool_names": self._tools, "tool_calls": len(self._tools), **vitals}
        if self._tool_errors:
            vitals.setdefault("tool_errors", self._tool_errors)
        self._report(**{**_failure(error), **vitals})

    async def __aenter__(self) -> "Exchange":
        return self.__enter__()

    async def __aexit__(self, *error: Any) -> None:
        self.__exit__(*error)

    def _passed(self) -> float:
        return (self._clock() - self._started) * 1000.0


def _failure(error: BaseException | None) -> dict[str, Any]:
    """By the exception's kind and never its text: that may quote a prompt. `status_code` is what the SDKs of providers
    call the answer's status."""
    if error is None:
        return {}
    if not isinstance(error, Exception):  # cancelled, interrupted: by the agent's own side
        return {"status": 0, "error_type": "client_gone"}
    return failure(type(error).__name__, getattr(error, "status_code", None))
