"""What an agent's prompts, tools and models look like: exact values, compared with those it was seen with before."""

from dataclasses import dataclass, field

from gateway.immune import constants as k


@dataclass(slots=True)
class Forms:
    """Keyed hashes, or names, in the order of their latest use. `tried` counts the uses of those not yet known.

    An unseen form is a change from its second use on, for `lasts` uses; then it is how the agent is now.
    """

    known: list[str] = field(default_factory=list)
    tried: dict[str, int] = field(default_factory=dict)
    warm: bool = False
    volatile: bool = False

    def take(self, form: str, lasts: int = 1) -> bool:
        """Count one use; whether it is a change."""
        if self.known and self.known[-1] == form:
            return False
        if form in self.known:
            self.known.remove(form)
            self.known.append(form)
            return False
        if not self.warm:
            self._learn(form)
            return False
        if self.volatile:
            return False
        uses = self.tried.pop(form, 0) + 1
        if uses >= k.FORM_USES + lasts - 1:
            self._learn(form)
        else:
            self.tried[form] = uses
            if len(self.tried) > k.FORMS_KEPT:
                del self.tried[next(iter(self.tried))]
        return uses >= k.FORM_USES

    def accept(self, form: str) -> None:
        """This is no change, whoever uses it: the gateway itself or an operator made it so."""
        self.tried.pop(form, None)
        if form not in self.known:
            self._learn(form)

    def close(self) -> None:
        """The warm-up is over."""
        self.warm, self.volatile = True, len(self.known) > k.FORMS_WARM

    def rebase(self) -> None:
        """Whatever comes now is known; what was known stays so."""
        self.warm = self.volatile = False
        self.tried.clear()

    def _learn(self, form: str) -> None:
        self.known.append(form)
        del self.known[: -k.FORMS_KEPT]
