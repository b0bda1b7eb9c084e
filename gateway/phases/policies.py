"""The policies in force. What bounds an agent and what judges it come from the same documents and change together."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from gateway.model.exchange import Exchange
from gateway.policy.document import Document
from gateway.policy.engine import Engine
from gateway.policy.plan import Plans


@dataclass(frozen=True, slots=True)
class InForce:
    """One set of documents, compiled; another set is another instance."""

    engine: Engine
    plans: Plans


def in_force(
    documents: Sequence[Document] = (),
    *,
    shadow: bool = False,
    servers: Collection[str] = (),
    before: InForce | None = None,
) -> InForce:
    """Compile documents. `shadow`: none of them blocks anything; `servers`: the MCP servers that there are; `before`:
    the set that this one follows."""
    engine = Engine(documents, shadow=shadow, servers=servers, before=before.engine if before is not None else None)
    return InForce(engine, Plans(documents))


class Policies:
    """Which set holds now. `current` may be replaced at any time: an exchange goes on under what it began with."""

    def __init__(self, current: InForce | None = None) -> None:
        self.current = current or in_force()

    def of(self, exchange: Exchange) -> InForce:
        """The same set for as long as the exchange lasts."""
        found: InForce | None = exchange.policies
        if found is None:
            found = exchange.policies = self.current
        return found
