"""Agents told apart by what they are."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.identity.forms import MOST_FORMS, Form, decide, form_of

KEY = b"k" * 32
BILLING = "You are the billing assistant of Acme. Look up invoices, explain charges and issue refunds up to 50 euros."
WEATHER = "You forecast weather. Report temperature, wind and rain for any city, in metric units, without small talk."
MONEY = ("get_invoice", "refund", "list_charges")
SKY = ("get_weather", "get_forecast")


def form(agent_id: str, tools: tuple[str, ...] = (), *system: str) -> Form:
    return form_of(agent_id, tools, system, KEY)


FIRST = form("agt_billing", MONEY, BILLING)
SECOND = form("agt_weather", SKY, WEATHER)


@pytest.mark.parametrize(
    ("seen", "agent_id"),
    [
        (form("?", MONEY, BILLING), "agt_billing"),
        (form("?", (*MONEY, "send_mail", "open_ticket"), BILLING), "agt_billing"),
        (form("?", MONEY[:2], BILLING), "agt_billing"),
        (form("?", MONEY, "Be brief. Today is 2026-11-21. Answer in the customer's language."), "agt_billing"),
        (form("?", MONEY, BILLING.replace("50", "75") + " Today is 2026-11-21."), "agt_billing"),
        (form("?", ("crm_search",), BILLING + " Search the customer database first."), "agt_billing"),
        (form("?", (), WEATHER), "agt_weather"),
        (form("?", SKY), "agt_weather"),
        (form("?", (*SKY, "get_tides"), WEATHER + " Mention tides at the coast."), "agt_weather"),
    ],
)
def test_an_agent_stays_itself_with_more_tools_or_another_prompt(seen: Form, agent_id: str) -> None:
    assert decide([FIRST, SECOND], seen).agent_id == agent_id


@pytest.mark.parametrize(
    "seen",
    [form("?"), form("?", (), "Hello"), form("?", ("unheard_of",)), form("?", (), "Translate poems into Latin verse.")],
)
def test_what_is_unclear_is_no_new_agent(seen: Form) -> None:
    decision = decide([FIRST, SECOND], seen)
    assert (decision.agent_id, decision.new) == (None, False)


def test_another_agent_has_other_tools_and_another_prompt() -> None:
    decision = decide([FIRST], SECOND)
    assert (decision.new, decision.tools, decision.prompt > 0.85) == (True, 1.0, True)
    assert not decide([FIRST], form("?", SKY, BILLING)).new
    assert not decide([FIRST], form("?", MONEY, WEATHER)).new


def test_one_difference_is_enough_where_an_operator_says_so() -> None:
    assert decide([FIRST], form("?", MONEY, WEATHER), apart=True).new
    assert decide([FIRST], form("?", SKY, BILLING), apart=True).new
    assert decide([FIRST], form("?", MONEY, BILLING), apart=True).agent_id == "agt_billing"
    assert not decide([FIRST], form("?"), apart=True).new


def test_a_fingerprint_has_a_bounded_number_of_agents() -> None:
    words = ("alpha", "bravo", "charlie", "delta", "echo", "foxtrot", "golf", "hotel")
    forms = [form(word, (f"{word}_tool",), f"{word} speaks {word}ese about {word}ness") for word in words]
    assert len(forms) == MOST_FORMS
    assert decide(forms[:-1], forms[-1]).new
    assert not decide(forms, form("?", SKY, WEATHER)).new


def test_a_first_form_belongs_to_the_fingerprints_own_agent() -> None:
    decision = decide([], FIRST)
    assert (decision.agent_id, decision.new) == (None, False)


@given(st.lists(st.text(max_size=40), max_size=5), st.text(max_size=400))
def test_forms_are_bounded_and_the_same_everywhere(tools: list[str], prompt: str) -> None:
    one, two = form_of("a", tools, [prompt], KEY), form_of("a", reversed(tools), [prompt], KEY)
    assert one == two and len(one.prompt) <= 64 and list(one.prompt) == sorted(one.prompt)
    assert decide([one], one).new is False


def test_nothing_of_a_prompt_can_be_guessed_without_the_key() -> None:
    assert not set(FIRST.prompt) & set(form_of("agt_billing", MONEY, [BILLING], b"another").prompt)
