"""What people get wrong in a policy: each is refused with file, place and hint, and changes nothing."""

import re
import signal
from pathlib import Path

import httpx
import pytest

from gateway.settings.model import Settings
from gateway.settings.names import SettingsError
from gateway.settings.policies import load_policies
from tests.support.gateway import eventually, running_gateway
from tests.support.redis import RedisServer

BAD: dict[str, tuple[str, str]] = {
    "empty file": ("", "holds NoneType; allowed: a mapping"),
    "a list": ("- name: ops", "holds list; allowed: a mapping"),
    "no YAML": ("name: [ops", "is not YAML: while parsing"),
    "a tab": ("name: ops\nmatch:\n\tteams: [a]", "is not YAML: while scanning"),
    "half a file": ("name: ops\ntools:\n  send_mo", "tools: is 'send_mo'; allowed: a mapping"),
    "a key twice": ("name: ops\nlimits: {}\nlimits: {concurrent: 1}", "'limits' is there twice"),
    "an anchor": ("name: ops\nallow: &a [x]\ndeny: *a", "anchors and aliases are not allowed"),
    "a tag": ("name: ops\nallow: !!python/name:os.system x", "is not YAML: could not determine a constructor"),
    "too deep": ("name: ops\nmatch: " + "[" * 50 + "]" * 50, "more than 40 levels"),
    "no name": ("limits: {}", "name: is missing; allowed: up to 64"),
    "a name with a space": ("name: my policy", "name: is 'my policy'; allowed: up to 64 of a-z"),
    "a section misspelled": (
        "name: ops\nalways_block: [a]",
        "always_block: is not known; did you mean always_blocked?",
    ),
    "the keys of a whole list": ("name: ops\npolicies: []", "policies: is not known; "),
    "a team for teams": ("name: ops\nmatch: {team: a}", "match.team: is not known; did you mean teams?"),
    "a text for a list": ("name: ops\nmatch: {teams: a}", "match.teams: is 'a'; allowed: a list of 1 to 1000 names"),
    "a limit misspelled": ("name: ops\nlimits: {request_per_minute: 1}", "did you mean requests_per_minute?"),
    "a negative limit": ("name: ops\nlimits: {concurrent: -1}", "limits.concurrent: is -1; allowed: a whole number"),
    "a budget with a unit": (
        "name: ops\nbudgets: {usd_per_day: $25}",
        "budgets.usd_per_day: is '$25'; allowed: US doll",
    ),
    "a word in another form": (
        "name: ops\nenforcement: dry-run",
        "enforcement: is 'dry-run'; allowed: shadow, enforce",
    ),
    "a default that is none": (
        "name: ops\ndefault: denied",
        "default: is 'denied'; allowed: allow, deny; did you mean deny",
    ),
    "an empty list of what is allowed": ("name: ops\nallow: []", "allow: is empty; allowed: at least one action"),
    "a resource in an action": (
        "name: ops\ndeny: ['read:s3://docs/*']",
        "deny[0]: is 'read:s3://docs/*'; write {action: ",
    ),
    "a rule with a typing error": (
        "name: ops\ndeny: [{actions: a}]",
        "deny[0]: has 'actions'; allowed: action, resource",
    ),
    "an action that is a number": (
        "name: ops\nalways_blocked: [3]",
        "always_blocked[0]: is 3; allowed: an action such as",
    ),
    "two modes of one name": ("name: ops\nmodes: {A: {}, a: {}}", "modes.a: differs from 'A' in case only"),
    "a mode with a default": ("name: ops\nmodes: {A: {default: deny}}", "modes.A.default: is not known; "),
    "models as a list": ("name: ops\nmodels: [gpt-4o]", "models: is ['gpt-4o']; allowed: a mapping"),
    "an unknown constraint": (
        "name: ops\ntools: {t: {arguments: {a: {regex: x}}}}",
        "tools.t.arguments.a.regex: is not known; allowed: const, enum, type",
    ),
    "a constraint of JSON Schema": (
        "name: ops\ntools: {t: {arguments: {a: {maxLength: 3}}}}",
        "tools.t.arguments.a.maxLength: is not known; did you mean max_length?",
    ),
    "a pattern that looks ahead": (
        "name: ops\ntools: {t: {arguments: {a: {pattern: '(?!x)'}}}}",
        "tools.t.arguments.a.pattern: is '(?!x)', no pattern of RE2: invalid perl operator",
    ),
    "a pattern that would take for ever to build": (
        "name: ops\ntools: {t: {arguments: {a: {pattern: '((a{500}){500}){500}'}}}}",
        "tools.t.arguments.a.pattern: is '((a{500}){500}){500}', no pattern of RE2",
    ),
    "bounds the wrong way round": (
        "name: ops\ntools: {t: {arguments: {a: {minimum: 5, maximum: 1}}}}",
        "tools.t.arguments.a.minimum: is 5, more than `maximum`, which is 1",
    ),
    "a bound on text": (
        "name: ops\ntools: {t: {arguments: {a: {type: string, maximum: 1}}}}",
        "tools.t.arguments.a.maximum: is about number and integer, and `type` is string",
    ),
    "a list that is one value": (
        "name: ops\ntools: {t: {arguments: {a: {enum: x}}}}",
        "a.enum: is 'x'; allowed: a list",
    ),
    "a path that leads upwards": (
        "name: ops\ntools: {t: {arguments: {a: {path_in: ['/sim/../etc/**']}}}}",
        "tools.t.arguments.a.path_in[0]: is '/sim/../etc/**'; allowed: a path without",
    ),
    "a URL for a host": (
        "name: ops\ntools: {t: {arguments: {a: {host_in: ['https://example.com/']}}}}",
        "tools.t.arguments.a.host_in[0]: is 'https://example.com/'; allowed: a host such as",
    ),
    "a command without programs": (
        "name: ops\ntools: {t: {arguments: {a: {command: {paths: [/sim]}}}}}",
        "tools.t.arguments.a.command.allow: is missing; allowed: a list of 1",
    ),
    "a source nobody knows": (
        "name: ops\ntools: {t: {arguments: {a: {provenance: [human]}}}}",
        "tools.t.arguments.a.provenance[0]: is 'human'; allowed: user, model, untrusted or tool:NAME",
    ),
    "a sum per nothing": (
        "name: ops\ntools: {t: {arguments: {a: {sum_max: {value: 5}}}}}",
        "a.sum_max.per: is missing",
    ),
    "one tool under two names": (
        "name: ops\ntools: {send_money: {}, sendMoney: {}}",
        "tools.sendMoney: is the same tool as 'send_money'",
    ),
    "a pattern for a tool": (
        "name: ops\ntools: {'send_*': {}}",
        "tools.send_*: is a pattern; allowed: the name of one",
    ),
    "an argument that is not there": (
        "name: ops\ntools: {t: {resource: '{servce}', arguments: {service: {}}}}",
        "tools.t.resource: names the argument 'servce', which `arguments` does not have; did you mean service?",
    ),
    "a hold without a form": (
        "name: ops\ntools: {t: {on_deny: hold}}",
        "tools.t.on_deny: is 'hold'; allowed: refuse, err",
    ),
    "an approval of nothing": (
        "name: ops\ntools: {t: {approval: on}}",
        "tools.t.approval: is 'on'; allowed: always, off",
    ),
    "loops that never block": (
        "name: ops\nloops: {window: 5, block_at: 9}",
        "loops: has identical_calls, block_at, wind",
    ),
    "a span without a unit": (
        "name: ops\nsequence: [{after: a, deny: b, within: one hour}]",
        "sequence[0].within: is 'one hour'; allowed: a span of time such as 90s, 15m, 1h or 2d",
    ),
    "a bound on σ that is none": (
        "name: ops\nimmune: {mode: on}",
        "immune.mode: is 'on'; allowed: shadow, warn, enforce",
    ),
    "a case of a mode that is not there": (
        "name: ops\nmodes: {NORMAL: {}}\ncases: [{call: {tool: t}, mode: NORML, expect: deny}]",
        "cases[0].mode: is 'NORML', no mode of this document; did you mean NORMAL?",
    ),
    "a case that does not hold": (
        "name: ops\ncases: [{call: {tool: delete_all}, expect: deny}]",
        "cases[0]: does not hold: delete_all: expected deny, found allow: no rule has a say",
    ),
}


@pytest.mark.parametrize("kind", BAD)
def test_a_bad_document_is_refused_with_its_file_its_place_and_a_hint(tmp_path: Path, kind: str) -> None:
    text, says = BAD[kind]
    (tmp_path / "good.yaml").write_text("name: good")
    (tmp_path / "bad.yaml").write_text(text)
    with pytest.raises(SettingsError) as raised:
        load_policies(Settings(policy_dir=tmp_path))
    (problem,) = raised.value.problems
    assert problem.startswith("bad.yaml: ")
    assert says in problem
    assert "\n" not in problem
    assert len(problem) < 700


def test_the_last_good_documents_stay_in_force_whatever_comes(tmp_path: Path, shared_redis: RedisServer) -> None:
    policies = tmp_path / "policies"
    policies.mkdir()
    file = policies / "ops.yaml"
    file.write_text("name: ops\nlimits: {requests_per_minute: 1234}")
    env = {"GATEWAY_REDIS_URL": shared_redis.url, "GATEWAY_REDIS_PREFIX": "bad:", "GATEWAY_POLICY_DIR": str(policies)}
    with running_gateway("--stub", env=env) as gateway, httpx.Client(base_url=gateway.url) as client:

        def limit() -> str:
            body = {"model": "stub-echo", "messages": [{"role": "user", "content": "Hello"}]}
            return client.post("/v1/chat/completions", json=body).headers["x-ratelimit-limit-requests"]

        for position, (text, says) in enumerate(BAD.values(), 1):
            file.write_text(text)
            gateway.process.send_signal(signal.SIGHUP)
            eventually(lambda: len(re.findall("ops.yaml: ", gateway.output)) >= position)  # noqa: B023 - asked at once
            assert limit() == "1234", says
        file.write_text("name: ops\nlimits: {requests_per_minute: 4321}")
        gateway.process.send_signal(signal.SIGHUP)
        eventually(lambda: limit() == "4321")
