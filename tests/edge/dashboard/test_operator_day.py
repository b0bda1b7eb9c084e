"""A day of operators at their page, in a real browser on a real gateway."""

import json
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest

from tests.edge.dashboard.conftest import INGEST_KEY, World
from tests.support.browser import Page
from tests.support.gateway import ADMIN_KEY, eventually

AXE = Path(__file__).parent / "axe" / "node_modules" / "axe-core" / "axe.min.js"
VIEWS = {
    "": "Totals", "agents": "of 1", "approvals": "Decided lately", "healing": "Learned patterns", "mode": "Switch mode",
    "policies": "Documents", "policies/ops": "no versions are kept", "audit": "entries as of",
    "providers": "External causes",
}  # fmt: skip


def go(page: Page, view: str, text: str) -> None:
    page.run(f"location.hash = {json.dumps('#/' + view)}")
    page.reads(text)


def test_an_agent_falls_ill_and_is_healed_by_a_person_who_watches(world: World, signed_in: Callable[..., Page]) -> None:
    world.reports("astray", 40)
    agent_id = world.known("astray", "HEALTHY")
    page = signed_in()
    go(page, "agents", "astray")
    page.click("astray")
    page.reads("It behaves as it usually does.")
    assert page.run("document.querySelectorAll('.chart .band').length") >= 2
    world.reports("astray", 1, times=60)
    page.until("document.querySelector('.title .chip').textContent === 'SUSPECTED'")
    for _ in range(8):
        world.reports("astray", 1, times=60)
    page.until("document.querySelector('.title .chip').textContent === 'QUARANTINED'")
    page.until("document.querySelector('main .facts').textContent.includes('output token spike')")

    page.click("Approvals1")  # the link with its badge
    page.reads("1 pending")
    page.click("Approve")
    page.fill("dialog input[name=reason]", "looked at it")
    page.click("Approve", "document.querySelector('dialog')")
    page.reads("Nothing waits for a person.")
    page.reads("looked at it")
    world.known("astray", "PROBATION")
    go(page, f"agent/{agent_id}", "PROBATION")
    go(page, "healing", "applied")
    page.run("document.querySelector('main a[href^=\"#/incident/\"]').click()")
    page.reads("Diagnoses")
    page.fill("main select", "prompt_injection")
    page.click("Say so")
    page.until("[...document.querySelectorAll('.facts dd')].some(n => n.textContent === 'prompt injection')")


def test_people_switch_the_mode_ask_what_would_be_decided_and_check_the_record(
    world: World, signed_in: Callable[..., Page]
) -> None:
    world.gateway.complete("sk-agent-0123456789")
    page = signed_in()
    go(page, "mode", "Switch mode")
    page.until("document.querySelector('option[value=EMERGENCY]')")
    page.fill("main select[name=mode]", "EMERGENCY")
    page.fill("main select[name=ttl_seconds]", "900")
    page.fill("main input[name=reason]", "the database is down")
    page.click("Switch mode")
    page.click("Switch", "document.querySelector('dialog')")
    page.reads("Everyone is in mode EMERGENCY")
    page.until("document.getElementById('mode').textContent === 'EMERGENCY'")
    (shown,) = world.gateway.admin("/mode").json()["items"]
    assert (shown["mode"], shown["reason"], shown["by"]) == ("EMERGENCY", "the database is down", "root")
    assert shown["expires_at"] is not None

    go(page, "policies", "What would be decided")
    page.fill("main input[name=action]", "delete:database")
    page.click("Explain")
    page.reads("always_blocked")
    page.until("document.querySelector('.chip[data-state=DENIED]')")
    page.click("Replay")
    page.reads("would change")

    go(page, "audit", "entries as of")
    page.click("Verify")
    page.reads("Valid: ")
    page.run("document.querySelector('main td button').click()")
    page.until("document.querySelector('dialog pre').textContent.includes('args_hash')")
    entry = page.run("document.querySelector('dialog code').textContent")
    eventually(lambda: world.gateway.admin(f"/audit/proof/{entry}").status_code == 200)  # signed for by now
    page.click("Prove")
    page.reads("Proved: record")
    page.click("Close")
    page.fill("main input[name=action]", "create:session")
    page.click("Search")
    page.until("[...document.querySelectorAll('main tbody tr')].every(r => r.textContent.includes('create:session'))")

    page.click("Sign out")
    page.reads("You are signed out.")
    assert "admin" not in page.text()


def test_a_provider_that_fails_needs_attention(world: World, signed_in: Callable[..., Page]) -> None:
    page = signed_in()
    page.reads("Nothing needs you now.")
    body = {"model": "stub-error-500", "messages": [{"role": "user", "content": "Hello"}]}
    for _ in range(6):
        httpx.post(f"{world.gateway.url}/v1/chat/completions", json=body, headers={"authorization": "Bearer sk-any"})
    page.reads("The provider stub")
    page.reads("failed within five minutes")
    page.click("See the providers")
    page.reads("nobody's trouble is put down to a provider")


def test_many_are_decided_together_and_all_are_healed_at_once(world: World, signed_in: Callable[..., Page]) -> None:
    page = signed_in()
    for name in ("one", "two", "three"):
        world.reports(name, 40)
        world.known(name, "HEALTHY")
    for name in ("one", "two", "three"):
        eventually(lambda name=name: world.is_stopped(name))
    go(page, "approvals", "3 pending")
    page.run("document.getElementById('every').click()")
    page.click("Reject selected (3)")
    page.click("Reject", "document.querySelector('dialog')")
    page.reads("Nothing waits for a person.")
    go(page, "healing", "rejected by a person")
    rejected = "[...document.querySelectorAll('section')].find(n => n.innerText.startsWith('Rejected'))"
    page.until(f"{rejected}.querySelectorAll('tbody tr').length === 3 && {rejected}.innerText.includes('three')")
    page.click("Heal now", rejected)
    page.until(f"{rejected}.querySelectorAll('tbody tr').length === 2")
    page.click("Heal all rejected")
    page.click("Heal all rejected", "document.querySelector('dialog')")
    page.until(f"{rejected}.innerText.includes('was rejected.')")
    for name in ("one", "two", "three"):
        world.known(name, "PROBATION")


def test_who_may_only_look_is_offered_nothing_else(world: World, signed_in: Callable[..., Page]) -> None:
    made = world.gateway.ask("POST", "/admin-keys", json={"role": "viewer", "name": "on call"}).json()
    world.reports("astray", 1)
    page = signed_in(made["api_key"])
    go(page, f"agent/{world.known('astray')}", "Your role can only look.")
    go(page, "mode", "Policies with modes")
    assert page.run("document.querySelectorAll('main form').length") == 0
    assert made["api_key"] not in page.run("document.documentElement.outerHTML + JSON.stringify(localStorage)")
    assert page.run("document.cookie") == ""
    world.gateway.ask("DELETE", f"/admin-keys/{made['key_id']}")
    page.reads("Your session is over.")
    page.problems[:] = [one for one in page.problems if " 401 " not in one]  # the browser tells each of them


def test_the_page_says_when_it_is_stale(world: World, signed_in: Callable[..., Page]) -> None:
    page = signed_in()
    page.until("document.getElementById('live').dataset.state === 'live'")
    page.ask("Network.emulateNetworkConditions", offline=True, latency=0, downloadThroughput=0, uploadThroughput=0)
    page.run("(now => { Date.now = () => now() + 20000 })(Date.now.bind(Date))")
    page.reads("Nothing new has come from the gateway since")
    page.ask("Network.emulateNetworkConditions", offline=False, latency=0, downloadThroughput=-1, uploadThroughput=-1)
    page.until("document.getElementById('stale').hidden")
    page.problems[:] = [one for one in page.problems if "ERR_INTERNET_DISCONNECTED" not in one]


def test_what_cannot_be_asked_for_any_more_says_from_when_it_is(world: World, signed_in: Callable[..., Page]) -> None:
    page = signed_in()
    lost = json.dumps({"detail": "Redis does not answer."})
    page.run(f"window.fetch = async () => new Response({json.dumps(lost)}, {{ status: 503 }})")
    page.reads("Redis does not answer. What you see is from ")
    page.reads("Totals")


def all_views(world: World) -> dict[str, str]:
    """The address of each view with a text of it, once there is something to see in it."""
    world.reports("astray", 40)
    agent_id = world.known("astray", "HEALTHY")
    for _ in range(9):
        world.reports("astray", 1, times=60)
    world.known("astray", "QUARANTINED")
    for denied in ("delete:*", "drop:*"):
        address = f"{world.gateway.url}/api/gateway/policies/guard"
        match = {"if-none-match": "*"} if denied == "delete:*" else {"if-match": "*"}
        made = httpx.put(address, json={"name": "guard", "deny": [denied]}, headers={"x-admin-key": ADMIN_KEY} | match)
        assert made.status_code < 300, made.text
    world.gateway.complete("sk-agent-0123456789")
    incident = world.gateway.admin("/incidents").json()["items"][0]["incident_id"]
    return VIEWS | {
        "policies/guard": "shown above",
        f"agent/{agent_id}": "Open intents",
        f"incident/{incident}": "Diagnoses",
    }


def test_every_view_can_be_used_by_everybody_in_both_themes_on_a_desk_and_on_a_phone(
    world: World, signed_in: Callable[..., Page]
) -> None:
    views = all_views(world)
    page = signed_in()
    if AXE.is_file():
        page.run(AXE.read_text())
    for width in (1440, 390):
        page.size(width, 844)
        for view, text in views.items():
            go(page, view, text)
            page.until("!document.querySelector('main').innerText.includes('Loading')")
            assert page.run("document.documentElement.scrollWidth <= innerWidth"), f"{view} is wider than {width}"
            for theme in ("light", "dark") if AXE.is_file() else ():
                page.theme(theme)
                found = page.run(
                    "axe.run().then(r => r.violations.map(v => [v.id, v.impact, v.nodes.map(n => n.html)]))"
                )
                assert [one for one in found if one[1] in ("serious", "critical")] == [], (view, width, theme)
    if not AXE.is_file():
        pytest.skip("NOT TESTED: axe-core is not installed; run `npm ci --prefix tests/edge/dashboard/axe`")


def test_an_earlier_version_of_a_policy_is_shown_with_what_was_changed_since(
    world: World, signed_in: Callable[..., Page]
) -> None:
    all_views(world)
    page = signed_in()
    go(page, "policies/guard", "shown above")
    page.click("Show version 1")
    page.reads("1 line gone, 1 line new.")
    signs = "[...document.querySelectorAll('.lines span')].map(n => n.dataset.sign + n.textContent.slice(1).trim())"
    changed = [one for one in page.run(signs) if one[0] != " "]
    assert changed == ['-"delete:*"', '+"drop:*"']


def test_the_vitals_of_each_model_are_looked_at_apart(world: World, signed_in: Callable[..., Page]) -> None:
    world.reports("of two minds", 3, model="first")
    world.reports("of two minds", 2, model="second")
    page = signed_in()
    go(page, f"agent/{world.known('of two minds')}", "latest calls with second")
    page.until("document.querySelector('.chart').querySelectorAll('circle').length === 2")
    page.fill("main select[name=model]", "first")
    page.reads("latest calls with first")
    page.until("document.querySelector('.chart').querySelectorAll('circle').length === 3")


def test_what_an_agent_has_declared_is_shown_and_revoked(world: World, signed_in: Callable[..., Page]) -> None:
    api = f"{world.gateway.url}/api/v1"
    headers = {"authorization": f"Bearer {INGEST_KEY}"}
    made = httpx.post(f"{api}/agents/register", json={"name": "planner"}, headers=headers).json()
    plan = {"goal": "look at the <b>invoices</b>", "steps": [{"tool": "get_invoice", "max_uses": 3}]}
    asked = httpx.post(f"{api}/intents", json=plan, headers={"authorization": f"Bearer {made['api_key']}"})
    assert asked.status_code == 201, asked.text
    page = signed_in()
    go(page, f"agent/{made['agent_id']}", "look at the <b>invoices</b>")
    page.reads("get_invoice 0 of 3 used")
    page.click(f"Revoke {asked.json()['intent_id']}")
    page.click("Revoke", "document.querySelector('dialog')")
    page.reads("Revoked.")
    page.until("!document.querySelector('main').innerText.includes('get_invoice 0 of 3')")


def test_the_page_is_used_without_a_mouse(world: World, signed_in: Callable[..., Page]) -> None:
    page = signed_in()
    page.open(f"{world.gateway.url}/dashboard#/")
    page.ask("Page.reload")
    page.reads("Totals")
    page.press("Tab")
    assert page.run("document.activeElement.id") == "skip"
    page.run("document.getElementById('theme').focus()")
    before = page.run("getComputedStyle(document.body).backgroundColor")
    for _ in range(2):  # auto, light, dark
        page.press("Enter")
    page.until(f"getComputedStyle(document.body).backgroundColor !== {json.dumps(before)}")
    assert page.run("getComputedStyle(document.activeElement).outlineStyle") == "solid"
