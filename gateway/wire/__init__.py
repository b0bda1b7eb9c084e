"""Bytes to meaning and back, without I/O: what interprets bytes here never reads a socket, a clock or a setting."""

from gateway.wire.chat_completions import CHAT_COMPLETIONS
from gateway.wire.completions import COMPLETIONS
from gateway.wire.dialect import Dialect
from gateway.wire.embeddings import EMBEDDINGS
from gateway.wire.messages import MESSAGES
from gateway.wire.responses import RESPONSES

DIALECTS: dict[str, Dialect] = {
    dialect.name: dialect for dialect in (CHAT_COMPLETIONS, COMPLETIONS, RESPONSES, MESSAGES, EMBEDDINGS)
}
"""Every API that is read and judged, by the name routes call it."""
