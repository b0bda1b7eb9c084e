"""What remedies are told about an agent."""

from gateway.immune.finding import Finding
from gateway.immune.forms import Forms
from gateway.immune.incident import Incident
from gateway.immune.patient import patient_of
from gateway.immune.record import Good, Record, new_record
from gateway.immune.watched import watch
from gateway.model.vitals import Vitals
from tests.immune.made import finding


def incident(*findings: Finding) -> Incident:
    return Incident("inc_1", "agt_1", 5.0, findings=findings)


def record(model: str = "m1", answers: int = 0) -> Record:
    made = new_record("agt_1", 1.0)
    made.good = Good("p1", "m1", ("search", "read"))
    for number in range(answers):
        watch(
            made.state,
            Vitals(
                "agt_1", f"req_{number}", float(number), "chat", "p", model, False, 200, 900.0,
                output_tokens=100 + number % 7, conversation=f"c{number % 9}",
            ),
        )  # fmt: skip
    return made


def test_of_an_agent_nobody_knows_anything() -> None:
    patient = patient_of(new_record("agt_1", 1.0), incident(), prompt_kept=True, executors=frozenset())
    assert (patient.agent_id, patient.findings, patient.output_tokens, patient.model) == ("agt_1", (), None, None)
    assert (patient.good_prompt, patient.prompt, patient.conversation) == (None, None, None)


def test_a_large_answer_of_the_model_used_last_is_known_once_it_is_learned() -> None:
    assert patient_of(record(answers=5), incident(), prompt_kept=False, executors=frozenset()).output_tokens is None
    usual = patient_of(record(answers=60), incident(), prompt_kept=False, executors=frozenset()).output_tokens
    assert usual is not None and 103 < usual < 180


def test_what_went_wrong_is_the_leading_findings() -> None:
    case = incident(
        finding("cost_spike", deviation=9.0, conversation="other"),
        finding("tool_loop", hard=True, conversation="conv", model="m2", detail={"tool": "search"}),
    )
    patient = patient_of(record(), case, prompt_kept=True, executors=frozenset({"control_agent"}))
    assert (patient.conversation, patient.model, patient.good_model) == ("conv", "m2", "m1")
    assert (patient.suspect_tools, patient.good_tools) == ({"search"}, {"search", "read"})
    assert patient.executors == {"control_agent"}


def test_a_changed_prompt_can_be_put_back_only_if_its_text_is_kept() -> None:
    case = incident(
        finding("prompt_change", "prompt", at=1.0, detail={"now": "p2"}),
        finding("prompt_change", "other", at=2.0, detail={"now": "p3"}),
    )
    for kept, good in ((True, "p1"), (False, None)):
        patient = patient_of(record(), case, prompt_kept=kept, executors=frozenset())
        assert (patient.prompt, patient.good_prompt) == ("p3", good)
    same = patient_of(record(), incident(), prompt_kept=True, executors=frozenset())
    assert same.prompt == same.good_prompt == "p1"


def test_of_an_agent_whose_prompts_are_never_the_same_none_is_put_back() -> None:
    made, case = record(), incident(finding("prompt_change", "prompt", detail={"now": "p2"}))
    made.state.forms["prompt"] = Forms(["p1"], warm=True, volatile=True)
    assert patient_of(made, case, prompt_kept=True, executors=frozenset()).good_prompt is None


def test_the_model_in_use_is_the_one_it_changed_to_or_the_last() -> None:
    changed = incident(finding("model_change", "model", detail={"now": "m9"}))
    assert patient_of(record(answers=3), changed, prompt_kept=False, executors=frozenset()).model == "m9"
    assert patient_of(record("m2", 3), incident(), prompt_kept=False, executors=frozenset()).model == "m2"


def test_a_long_name_of_a_model_is_the_same_model_as_its_short_form() -> None:
    name = "m" * 100
    made = record(name, 3)
    made.good = Good(None, name)
    patient = patient_of(made, incident(), prompt_kept=False, executors=frozenset())
    assert patient.model == patient.good_model == name


def test_what_it_was_known_with_before_is_all_but_what_it_changed_to() -> None:
    made = record()
    for prompt, model in (("p1", "m1"), ("helper", "m2"), ("bad", "m9")):
        made.state.accept("prompt", prompt)
        made.state.accept("model", model)
    case = incident(
        finding("prompt_change", "prompt", detail={"now": "bad"}),
        finding("model_change", "model", detail={"now": "m9"}),
    )
    patient = patient_of(made, case, prompt_kept=True, executors=frozenset())
    assert (patient.usual_prompts, patient.usual_models) == ({"p1", "helper"}, {"m1", "m2"})
