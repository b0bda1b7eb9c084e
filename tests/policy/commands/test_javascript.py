import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.policy.commands import problem, program_problem

EXECUTORS = {"exec_command", "write_stdin"}


def check(command: str) -> str | None:
    return problem(command, ["ls", "cat", "echo"], ["/sim/**"])


HONEST = (
    'await tools.exec_command({cmd: "ls /sim"})',
    "await tools.exec_command({\"cmd\": 'ls /sim'});",
    "await tools.exec_command({cmd: `ls /sim`, yield_time_ms: 1000, max_output_tokens: 2000, login: false,})",
    'const r = await tools.exec_command({cmd: "cat /sim/a"});\ntext(r.output);',
    'let r = await tools.exec_command({cmd: "cat /sim/a"})\nconsole.log(r.exit_code, r.output)',
    'const {output, exit_code} = await tools.exec_command({cmd: "ls /sim"}); text(output);',
    'text((await tools.exec_command({cmd: "ls /sim"})).output)',
    'text(JSON.stringify(await tools.exec_command({cmd: "ls /sim"})))',
    'const [a, b] = await Promise.all([tools.exec_command({cmd: "ls /sim"}), '
    'tools.exec_command({cmd: "cat /sim/a"}),]);'
    '\ntext(a.output + "\\n" + b.output);',
    'const rs = await Promise.all([tools.exec_command({cmd: "ls /sim"})]); text(rs[0].output)',
    '// list\n/* all ** of it */ await tools.exec_command({cmd: "ls /sim"}) // done',
    'tools.exec_command({cmd: "ls /si\\x6d"})',
    'tools.exec_command({cmd: "echo \\"a\\u0041\\""})',
    'tools.exec_command({command: "ls /sim"})',
    'tools.write_stdin({session_id: 1, chars: ""})',
    'text("hello " + String(1.5))',
    ";;",
    "",
)

ATTACKS = {
    "a denied command": 'tools.exec_command({cmd: "rm -rf /"})',
    "a path outside": 'tools.exec_command({cmd: "cat /etc/shadow"})',
    "the second of two": 'tools.exec_command({cmd: "ls /sim"}); tools.exec_command({cmd: "id"})',
    "the second of one": 'tools.exec_command({cmd: "ls /sim", cmd: "id"})',
    "one in a list": 'await Promise.all([tools.exec_command({cmd: "id"})])',
    "one that is printed": 'text(await tools.exec_command({cmd: "id"}))',
    "one in parentheses": 'text((tools.exec_command({cmd: "id"})))',
    "joined texts": 'tools.exec_command({cmd: "l" + "s /sim"})',
    "a joined list": 'tools.exec_command({cmd: ["ls", "/sim"].join(" ")})',
    "a name for the command": 'const c = "id"; tools.exec_command({cmd: c})',
    "a short property": 'const cmd = "id"; tools.exec_command({cmd})',
    "spread": "tools.exec_command({...x})",
    "a name for the arguments": "tools.exec_command(x)",
    "a template with a hole": "tools.exec_command({cmd: `ls ${x}`})",
    "a tagged template": "tools.exec_command`ls`",
    "a hexadecimal escape": 'tools.exec_command({cmd: "\\x69\\x64"})',
    "a Unicode escape": 'tools.exec_command({cmd: "\\u0069d"})',
    "a braced Unicode escape": 'tools.exec_command({cmd: "\\u{69}d"})',
    "an octal escape": 'tools.exec_command({cmd: "\\151d"})',
    "a broken escape": 'tools.exec_command({cmd: "\\xg"})',
    "a newline": 'tools.exec_command({cmd: "ls /sim\\nid"})',
    "a real newline": "tools.exec_command({cmd: `ls /sim\nid`})",
    "a line continuation": 'tools.exec_command({cmd: "ls /sim\\\nid"})',
    "an escaped key": 'tools.exec_command({"c\\x6dd": "id"})',
    "a computed key": 'tools.exec_command({["cmd"]: "id"})',
    "a prototype": 'tools.exec_command({__proto__: {cmd: "id"}})',
    "a number as the command": "tools.exec_command({cmd: 1})",
    "another shell": 'tools.exec_command({cmd: "ls /sim", shell: "/sim/x"})',
    "another directory": 'tools.exec_command({cmd: "ls /sim", workdir: "/"})',
    "a terminal": 'tools.exec_command({cmd: "ls /sim", tty: true})',
    "no sandbox": 'tools.exec_command({cmd: "ls /sim", sandbox_permissions: "require_escalated"})',
    "typing": 'tools.write_stdin({session_id: 1, chars: "rm -rf /\\n"})',
    "another tool": 'tools.apply_patch("x")',
    "a tool in brackets": 'tools["exec_command"]({cmd: "id"})',
    "a tool in parts": 'tools["exec_" + "command"]({cmd: "id"})',
    "a tool by number": 'tools[0]({cmd: "id"})',
    "an optional call": 'tools?.exec_command({cmd: "id"})',
    "a name for tools": 'const t = tools; t.exec_command({cmd: "id"})',
    "a name for the executor": 'const run = tools.exec_command; run({cmd: "id"})',
    "taken apart": 'const {exec_command} = tools; exec_command({cmd: "id"})',
    "bound": 'tools.exec_command.call(null, {cmd: "id"})',
    "an escaped name": '\\u0074ools.exec_command({cmd: "id"})',
    "tools of the world": 'globalThis.tools.exec_command({cmd: "id"})',
    "this": 'this.tools.exec_command({cmd: "id"})',
    "evaluated": "eval('tools.exec_command({cmd: \"id\"})')",
    "constructed": 'text.constructor("return 1")()',
    "a constructor of a result": 'const r = tools.exec_command({cmd: "ls /sim"}); r.constructor.constructor("x")()',
    "a member by text": 'const r = tools.exec_command({cmd: "ls /sim"}); r["constructor"]("x")',
    "imported": 'import("child_process")',
    "required": 'require("child_process")',
    "a function": 'function f() { tools.exec_command({cmd: "id"}) }',
    "an arrow": '["id"].map(c => tools.exec_command({cmd: c}))',
    "a callback": 'tools.exec_command({cmd: "ls /sim"}).then(eval)',
    "a loop": 'for (const c of ["id"]) tools.exec_command({cmd: c})',
    "an assignment": 'tools.exec_command = 1; tools.exec_command({cmd: "ls /sim"})',
    "a printer of one's own": "const text = 1; text(2)",
    "a name that is text": 'const "a" = 1',
    "a statement that goes on": 'text("a")\n(tools.exec_command)({cmd: "id"})',
    "a regular expression": '/"/; tools.exec_command({cmd: "id"}); /"/',
    "a comment of another kind": '<!-- text("a")\ntools.exec_command({cmd: "id"})',
    "a line separator in a comment": '// a\u2028tools.exec_command({cmd: "id"})',
    "an open comment": 'text("a") /* tools',
    "an open text": 'text("a',
    "an open call": "text(",
    "an open list": 'text("a" "b")',
    "an open object": 'tools.exec_command({cmd: "ls /sim"',
    "two properties without a comma": 'tools.exec_command({cmd: "ls /sim" login: true})',
    "an unknown space": 'text("a");\u00a0text("b")',
    "a lone surrogate": "text('\ud800')",
    "depth": "text(" * 1000 + "1" + ")" * 1000,
    "length": "text(1);" * 8000,
}


@pytest.mark.parametrize("program", HONEST)
def test_a_program_of_literal_commands_is_judged_by_them(program: str) -> None:
    assert program_problem(program, EXECUTORS, check) is None


@pytest.mark.parametrize("program", ATTACKS.values(), ids=ATTACKS)
def test_a_program_that_does_or_may_do_more_is_denied(program: str) -> None:
    assert program_problem(program, EXECUTORS, check) is not None


@pytest.mark.parametrize("program", HONEST)
def test_every_command_is_asked_about(program: str) -> None:
    runs = "cmd" in program or "command:" in program
    assert (program_problem(program, EXECUTORS, lambda command: "no") == "no") is runs


def test_only_known_executors_run_commands() -> None:
    program = 'tools.exec_command({cmd: "ls /sim"})'
    assert program_problem(program, [], check) == "the program uses a tool that may not be used in a program here"


_WORDS = 'tools . exec_command ( ) { } [ ] , ; : = + cmd "ls" "id" `ls` await const a text Promise all // /* */ 1'
_PIECES = st.sampled_from([*_WORDS.split(), "\\", "\n"])


@given(st.text(max_size=80) | st.lists(_PIECES, max_size=25).map("".join))
@settings(max_examples=400, deadline=None)
def test_it_never_raises(program: str) -> None:
    assert isinstance(program_problem(program, EXECUTORS, check), str | None)
