from gateway.policy.names import Names


def test_names_are_known_in_normal_form_after_their_server() -> None:
    names = Names(["crm"])
    assert names.of("mcp__crm__getContacts") == ("crm", "get:contacts") and names.of("getContacts")[0] is None
    assert names.known_as("crm.get_contacts") == "crm/get:contacts" and names.known_as("get_contacts") == "get:contacts"


def test_a_rule_means_a_tool_on_any_server_unless_it_names_one() -> None:
    names = Names(["crm", "web"])
    assert names.all_known_as("get contacts") == ("get:contacts", "crm/get:contacts", "web/get:contacts")
    assert names.all_known_as("crm.get_contacts") == ("crm/get:contacts",)


def test_names_are_remembered_within_bounds() -> None:
    names = Names()
    for n in range(10_100):
        names.of(f"tool_{n}")
    names.of("x" * 1000)
    assert len(names._known) == 10_000 and names.of("tool_10099") == (None, "tool:10099")
