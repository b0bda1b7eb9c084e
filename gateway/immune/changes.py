"""Prompts, sets of tools and models that an agent did not have before."""

from gateway.immune import constants as k
from gateway.immune.detection import Detection, found
from gateway.immune.finding import Finding, FindingType
from gateway.immune.forms import Forms
from gateway.immune.state import Watched, short
from gateway.model.vitals import Vitals

# What is new, and for how many uses it is: another prompt may make another agent of it, so it is not taken for usual
# before a person could hear of it; tools and models change as clients go on and fall back.
_SHOWN: tuple[tuple[str, FindingType, int], ...] = (
    ("prompt", "prompt_change", 8),
    ("toolset", "tools_change", 1),
    ("model", "model_change", 1),
)


def changes(state: Watched, vitals: Vitals, detection: Detection) -> list[Finding]:
    """Compare what one exchange showed with what is known; hashes are keyed, so findings may name them."""
    told: list[Finding] = []
    for (metric, type_, lasts), form in zip(_SHOWN, (vitals.prompt_hash, vitals.tools_hash, vitals.model), strict=True):
        if form is None:
            continue
        forms = state.forms.get(metric)
        if forms is None:
            forms = state.forms[metric] = Forms()
        if forms.warm:
            if forms.known and forms.known[-1] == form and not forms.tried:
                continue  # as nearly always
        elif state.warm:
            forms.close()
        if forms.take(short(form), lasts):
            told.append(found(vitals, type_, metric, None, now=form, known=len(forms.known)))
    if vitals.prompt_hash is not None and _is_unheard(state, vitals.prompt_hash) and state.forms["prompt"].volatile:
        told.append(found(vitals, "prompt_change", "prompt", None, now=vitals.prompt_hash, alike=False))
    return told


def _is_unheard(state: Watched, prompt: str) -> bool:
    """Whether it is like none of the prompts from before: of an agent whose prompts are never quite the same."""
    voices = state.forms.get("voice")
    if voices is None:
        voices = state.forms["voice"] = Forms()
    if voices.warm:
        if prompt == state.voices.last and not voices.tried:
            return False
    elif state.warm:
        voices.close(k.VOICES_WARM)
    return voices.take(str(state.voice(prompt)), _SHOWN[0][2])
