from dataclasses import fields

from gateway.store.keys import Keys


def test_every_key_carries_the_prefix_and_is_another() -> None:
    keys = Keys("test:")
    names = [keys.schema, keys.probe("x"), keys.stats, keys.agents, keys.agent("agt_1")]
    assert all(name.startswith("test:") for name in names)
    assert len(set(names)) == len(names)
    assert [field.name for field in fields(Keys)] == ["prefix"]


def test_an_agents_key_is_tagged_with_its_id() -> None:
    assert Keys().agent("agt_1") == "leuko:agent:{agt_1}"


def test_every_key_is_in_the_table() -> None:
    import gateway.store.keys as module

    assert module.__doc__ is not None
    for name in ("schema", "probe:{tag}", "stats", "agents", "agent:{id}"):
        assert f"| `{name}` |" in module.__doc__


def test_the_keys_of_the_control_state_share_a_tag_and_stand_in_the_table() -> None:
    import gateway.store.keys as module

    keys = Keys("")
    names = [keys.control_log, keys.control_state, keys.control_replicas, keys.control_news]
    assert all(name.startswith("{control}:") for name in names) and len(set(names)) == 4
    assert all(f"| `{name}` |" in str(module.__doc__) for name in names)


def test_the_keys_of_approvals_and_webhooks_share_their_tags_and_stand_in_the_table() -> None:
    import gateway.store.keys as module

    keys = Keys("")
    approvals = [
        keys.approval("{id}"),
        keys.approval_arguments("{id}"),
        keys.approval_bound("{digest}"),
        keys.approvals_pending,
        keys.approvals_pending_of("{agent}"),
        keys.answers_held("{agent}"),
        keys.approvals_index,
        keys.approvals_announce,
        keys.approvals_news,
    ]
    assert all(name.startswith("{approvals}:") for name in approvals) and len(set(approvals)) == 9
    webhooks = keys.webhook("{endpoint}")
    assert all(name.startswith("{webhooks}:") for name in webhooks) and len(set(webhooks)) == 4
    assert all(f"| `{name}` |" in str(module.__doc__) for name in (*approvals, *webhooks))


def test_all_that_a_watcher_keeps_of_an_agent_lies_together_and_stands_in_the_table() -> None:
    import gateway.store.keys as module

    keys, place = Keys(""), module.partition_of("agt_1")
    own = {
        "agent:{id}": keys.watched("agt_1"),
        "staged:{save}:{id}": keys.staged("s", "agt_1"),
        "prompt:{id}:{hash}": keys.prompt("agt_1", "h"),
        "prompts:{id}": keys.prompts("agt_1"),
    }
    names = {part: keys.watch(place, part) for part in ("feed", "writers", "lease", "wanted", "position", "busy")} | own
    assert all(name.startswith(f"{{watch-{place}}}:") for name in names.values())
    assert len(set(names.values())) == len(names)
    assert all(f"| `{{watch-p}}:{part}` |" in str(module.__doc__) for part in names)


def test_agents_are_watched_in_equal_parts() -> None:
    from gateway.store.keys import PARTITIONS, partition_of

    parts = [partition_of(f"agt_{number:016x}") for number in range(4000)]
    assert set(parts) == set(range(PARTITIONS))
    assert max(map(parts.count, set(parts))) < 2 * min(map(parts.count, set(parts)))
    assert 0 <= partition_of("\ud800") < PARTITIONS


def test_the_keys_of_incidents_counts_and_the_fleet_share_their_tags_and_stand_in_the_table() -> None:
    import gateway.store.keys as module

    keys = Keys("")
    names = [keys.incident("{id}"), keys.incidents_index, keys.incidents_open, keys.incidents_of("{agent}")]
    assert all(name.startswith("{incidents}:") for name in names)
    names += [keys.immune_counts, keys.immune_counted]
    names += [keys.fleet(part, "{digest}") for part in ("active", "alarms", "known")]
    names += [keys.fleet(part) for part in ("external", "sigma", "caps")]
    assert len(set(names)) == len(names)
    assert all(f"| `{name}` |" in str(module.__doc__) for name in names)
