"""What remedies are told about an agent, from what is known of it and of its incident."""

from math import ceil

from gateway.immune.evidence import leading
from gateway.immune.finding import Finding, FindingType
from gateway.immune.incident import Incident
from gateway.immune.record import Record
from gateway.immune.remedy import Patient
from gateway.immune.state import model_of, short
from gateway.immune.usual import usual


def patient_of(record: Record, incident: Incident, *, prompt_kept: bool, executors: frozenset[str]) -> Patient:
    """
    Args:
        prompt_kept: the text of the last good system prompt is there to be put back.
        executors: which of `Once` there are means for.
    """
    first, good = leading(incident.findings), record.good
    return Patient(
        record.agent_id,
        incident.findings,
        _large_answer(record),
        first.conversation if first is not None else None,
        good.prompt if prompt_kept and not _has_many_prompts(record) else None,
        _changed(incident, "prompt_change") or good.prompt,
        frozenset(good.tools),
        good.model,
        _model(record, incident, first),
        executors,
        _usual(record, incident, "prompt", "prompt_change"),
        _usual(record, incident, "model", "model_change"),
    )


def _has_many_prompts(record: Record) -> bool:
    """Whether its prompts are never the same, so that the last good one may tell another user's things."""
    forms = record.state.forms.get("prompt")
    return forms is not None and forms.volatile


def _usual(record: Record, incident: Incident, metric: str, type_: FindingType) -> frozenset[str]:
    """What was there before anything changed, and was used besides: names as the state keeps them."""
    changed = {short(str(finding.detail.get("now"))) for finding in incident.findings if finding.type == type_}
    forms = record.state.forms.get(metric)
    return frozenset(() if forms is None else forms.known) - changed


def _large_answer(record: Record) -> int | None:
    """Tokens that five of six answers of the model used last stay below."""
    numbers = [one for one in usual(record.state) if one.metric == "output"]
    last = _last(record)
    return max((ceil(one.high) for one in numbers if one.model == last and one.high is not None), default=None)


def _last(record: Record) -> str | None:
    """The model used last."""
    name = next(reversed(record.state.models), None)
    return None if name is None else model_of(name)


def _model(record: Record, incident: Incident, first: Finding | None) -> str | None:
    named = _changed(incident, "model_change") or (first.model if first is not None else None)
    used = named or _last(record)
    good = record.good.model
    # Long names are kept short there, and are the same model all the same.
    return good if good is not None and used is not None and short(good) == short(used) else used


def _changed(incident: Incident, type_: FindingType) -> str | None:
    """What the latest change was to."""
    changes = [finding for finding in incident.findings if finding.type == type_]
    latest = max(changes, key=lambda finding: finding.at, default=None)
    now = latest.detail.get("now") if latest is not None else None
    return now if isinstance(now, str) else None
