"""OpenAI's embeddings, read: no tools, no calls, no streams. https://platform.openai.com/docs/api-reference/embeddings"""

from typing import Any

from gateway.model.answer import Answer, Usage
from gateway.model.ask import Ask
from gateway.model.errors import Refusal
from gateway.model.history import History
from gateway.model.transcript import Transcript
from gateway.model.verdict import Withhold
from gateway.wire import governed, openai_errors
from gateway.wire.dialect import Dialect, StreamReader


class Embeddings:
    """See `Dialect`."""

    name = "embeddings"
    streams = False
    injects_usage = False

    def read_request(self, document: dict[str, Any]) -> Ask:
        source = document.get("input")
        if source is not None and not isinstance(source, str | list):
            raise governed.wrong(source, "input", "a string or an array")
        return Ask(document=document, model=governed.model(document), stream=False)

    def history(self, document: dict[str, Any]) -> History:
        return History()  # texts that belong to no conversation

    def transcript(self, document: dict[str, Any]) -> Transcript:
        return Transcript()

    def read_answer(self, document: dict[str, Any], body: bytes | None = None) -> Answer:
        model, usage = document.get("model"), document.get("usage")
        tokens = usage.get("prompt_tokens") if isinstance(usage, dict) else None
        return Answer(
            model=model if isinstance(model, str) else None,
            usage=Usage(tokens, 0) if type(tokens) is int and tokens >= 0 else None,
        )

    def withhold(self, document: dict[str, Any], rulings: dict[int, Withhold]) -> dict[str, Any]:
        return dict(document)

    def reader(self) -> StreamReader:
        raise TypeError("embeddings are never streamed")

    def error_body(self, refusal: Refusal) -> bytes:
        return openai_errors.error_body(refusal)


EMBEDDINGS: Dialect = Embeddings()
