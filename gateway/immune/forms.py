"""What an agent's prompts, tools and models look like: exact values, compared with those it was seen with before."""

from dataclasses import dataclass, field

from gateway.immune import constants as k

_ROW, _LEARNED, _BEFORE = "…row", "…learned", "…before"
"""Among the names, which are ASCII: how many unseen ones there were in a row, and how many changes since the warm-up;
what was known before a new one."""


@dataclass(slots=True)
class Forms:
    """Keyed hashes, or names, in the order of their latest use. `tried` counts the uses of those not yet known.

    An unseen form is a change from its second use on, for `lasts` uses; then it is how the agent is now. Many unseen
    forms in a row are one as well, however seldom each is used. When there are too many of these, or more changes than
    are kept since somebody said what is normal, the agent has no one form: what is told each time tells nothing.
    """

    known: list[str] = field(default_factory=list)
    tried: dict[str, int] = field(default_factory=dict)
    warm: bool = False
    volatile: bool = False

    def take(self, form: str, lasts: int = 1) -> bool:
        """Count one use; whether it is a change."""
        if self.known and self.known[-1] == form:
            self.tried.pop(_ROW, None)
            return False
        if form in self.known:
            self.tried.pop(_ROW, None)
            self.known.remove(form)
            self.known.append(form)
            return False
        if not self.warm:
            self._learn(form)
            return False
        if self.volatile:
            return False
        row, learned = self.tried.pop(_ROW, 0) + 1, self.tried.pop(_LEARNED, 0)
        uses = self.tried.pop(form, 0) + 1
        if uses >= k.FORM_USES + lasts - 1:
            self._learn(form)
            learned += 1
        else:
            self.tried[form] = uses
            if len(self.tried) > k.FORMS_KEPT:
                del self.tried[next(iter(self.tried))]
        if learned:
            self.tried[_LEARNED] = learned
        self.volatile = learned > k.FORMS_KEPT
        if uses == 1:
            self.tried[_ROW] = row
            self.volatile |= row >= 2 * k.FORMS_KEPT
            return row > k.FORMS_KEPT
        return uses >= k.FORM_USES

    def accept(self, form: str) -> None:
        """This is no change, whoever uses it: the gateway itself or an operator made it so."""
        self.tried.pop(form, None)
        if form not in self.known:
            self._learn(form)

    def close(self, most: int = k.FORMS_WARM) -> None:
        """The warm-up is over. What was used in it tells whether the agent has a form of its own."""
        used = self.known
        if _BEFORE in used:
            used = used[used.index(_BEFORE) + 1 :]
            self.known.remove(_BEFORE)
        self.warm, self.volatile = True, len(used) > most

    def rebase(self) -> None:
        """Whatever comes now is known; what was known stays so."""
        self.warm = self.volatile = False
        self.tried.clear()
        self._learn(_BEFORE)

    def _learn(self, form: str) -> None:
        self.known.append(form)
        del self.known[: -k.FORMS_KEPT]
