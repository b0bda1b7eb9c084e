"""From the text of a policy file to plain values; refuses what YAML would let pass in silence.

A key that is there twice, an anchor (a small file could stand for gigabytes), a file over 1 MiB, more than 40 levels.
Plain words are read as YAML 1.2 has it: `on`, `off`, `yes`, `no`, dates and times of day are text.
"""

import re
from typing import Any

import yaml

from gateway.policy.errors import PolicyError

LARGEST = 1024 * 1024
_DEEPEST = 40


_WHOLE = r"[-+]?(?:0|[1-9][0-9_]*)"
_FRACTION = r"[-+]?(?:\.[0-9]+|[0-9]+\.[0-9]*)(?:[eE][-+]?[0-9]+)?|[-+]?[0-9]+[eE][-+]?[0-9]+|[-+]?\.inf|\.nan"
_PLAIN = [
    (f"tag:yaml.org,2002:{kind}", re.compile(f"(?:{form})$"))
    for kind, form in (("null", "~|null|"), ("bool", "true|false"), ("int", _WHOLE), ("float", _FRACTION))
]


class _Loader(yaml.SafeLoader):
    """Plain values only. What stands without quotes is text unless it is one of `_PLAIN`."""

    # YAML 1.1, which SafeLoader follows, reads `no` as false, `12:30` as 750 and `010` as 8.
    yaml_implicit_resolvers = {None: _PLAIN, "": _PLAIN[:1]}
    depth = 0

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        if self.check_event(yaml.AliasEvent):
            raise _at(self._mark(), "anchors and aliases are not allowed")
        self.depth += 1
        if self.depth > _DEEPEST:
            raise _at(self._mark(), f"more than {_DEEPEST} levels")
        node = super().compose_node(parent, index)
        self.depth -= 1
        return node

    def _mark(self) -> Any:
        return self.peek_event().start_mark  # type: ignore[no-untyped-call]

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen = set()
        for key, _ in node.value:
            if not isinstance(key, yaml.ScalarNode):
                raise _at(key.start_mark, "a key is not text")
            if key.value in seen:
                raise _at(key.start_mark, f"{key.value!r} is there twice")
            seen.add(key.value)
        return super().construct_mapping(node, deep)


def read(text: str, source: str) -> dict[Any, Any]:
    """The mapping a file holds. Raises PolicyError, naming the file and the place in it."""
    if len(text) > LARGEST:
        raise PolicyError(source, "", f"is larger than {LARGEST} characters")
    try:
        found = yaml.load(text, _Loader)
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise PolicyError(source, "", f"is not YAML: {' '.join(str(error).split())[:500]}") from None
    if not isinstance(found, dict):
        raise PolicyError(source, "", f"holds {type(found).__name__}; allowed: a mapping")
    return found


def _at(mark: Any, problem: str) -> yaml.constructor.ConstructorError:
    return yaml.constructor.ConstructorError(None, None, problem, mark)
