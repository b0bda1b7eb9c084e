"""Metrics as Prometheus reads them: the text format 0.0.4, and the names OpenTelemetry's translation gives them.

https://prometheus.io/docs/instrumenting/exposition_formats/ and
https://opentelemetry.io/docs/specs/otel/compatibility/prometheus_and_openmetrics/
"""

from collections.abc import Iterable, Iterator, Mapping

from gateway.telemetry.instruments import Family, Point

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"

_UNITS = {"s": "seconds", "By": "bytes", "%": "percent"}
_ESCAPED = str.maketrans({"\\": "\\\\", '"': '\\"', "\n": "\\n"})


def prometheus_name(name: str, unit: str, kind: str) -> str:
    """`leuko.overhead.duration` in `s` is `leuko_overhead_duration_seconds`; units in braces are not written."""
    parts = [name.replace(".", "_")]
    suffix = "" if unit.startswith("{") else _UNITS.get(unit, unit)
    if suffix and not parts[0].endswith(f"_{suffix}"):
        parts.append(suffix)
    if kind == "counter":
        parts.append("total")
    return "_".join(parts)


def exposition(families: Iterable[tuple[Family, Mapping[str, str]]]) -> str:
    """The text of these families. Those of one name, from several processes, become one; the labels given with each
    tell their series apart."""
    grouped: dict[str, list[tuple[Family, Mapping[str, str]]]] = {}
    for family, labels in families:
        grouped.setdefault(prometheus_name(family.name, family.unit, family.kind), []).append((family, labels))
    lines: list[str] = []
    for name, members in sorted(grouped.items()):
        first = members[0][0]
        lines += (f"# HELP {name} {_help(first.description)}", f"# TYPE {name} {first.kind}")
        for family, labels in members:
            for point in family.points:
                lines += _samples(name, family, point, {**point.attributes, **labels})
    return "\n".join(lines) + "\n"


def _samples(name: str, family: Family, point: Point, labels: Mapping[str, str]) -> Iterator[str]:
    written = _labels(labels)
    if family.kind != "histogram":
        yield f"{name}{_braced(written)} {_number(point.value)}"
        return
    count = 0
    comma = "," if written else ""
    for bound, inside in zip((*map(_number, family.bounds), "+Inf"), point.buckets, strict=True):
        count += inside
        yield f'{name}_bucket{{{written}{comma}le="{bound}"}} {count}'
    yield f"{name}_sum{_braced(written)} {_number(point.value)}"
    yield f"{name}_count{_braced(written)} {count}"


def _labels(attributes: Mapping[str, str]) -> str:
    pairs = sorted((name.replace(".", "_"), value) for name, value in attributes.items())
    return ",".join(f'{name}="{_clean(value).translate(_ESCAPED)}"' for name, value in pairs)


def _clean(text: str) -> str:
    """Names that come from JSON can hold lone surrogates, which no encoding has."""
    return text.encode("utf-8", "replace").decode()


def _braced(labels: str) -> str:
    return f"{{{labels}}}" if labels else ""


def _help(text: str) -> str:
    return text.replace("\\", "\\\\").replace("\n", " ")


def _number(value: float) -> str:
    return str(int(value)) if value == int(value) and abs(value) < 1e15 else repr(value)
