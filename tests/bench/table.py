"""Results as the table of the README."""

Results = dict[str, dict[str, dict[str, float]]]

_ROWS = (
    ("whole", "CPU per whole answer, µs", "cpu_per_answer"),
    ("stream", "CPU per streamed event, µs", "cpu_per_event"),
    ("large", "CPU per answer to a 1 MB body, µs", "cpu_per_answer"),
    ("latency", "latency of a whole answer, p50, ms", "p50"),
    ("latency", "latency of a whole answer, p99, ms", "p99"),
    ("first_event", "first event of a stream, p50, ms", "first_p50"),
)
_COLUMNS = ("direct", "bare", "leuko", "litellm")


def markdown(results: Results) -> str:
    """One row a figure, one column a proxy, and Leuko's ratio to the bare forwarder."""
    columns = [c for c in _COLUMNS if any(c in figures for figures in results.values())]
    lines = [f"| figure | {' | '.join(columns)} | leuko / bare |", "|---" * (len(columns) + 2) + "|"]
    for load, title, key in _ROWS:
        if load in results:
            figures = {c: results[load].get(c, {}).get(key) for c in columns}
            cells = ["" if figures[c] is None else f"{figures[c]:,.2f}" for c in columns]
            bare, leuko = figures.get("bare"), figures.get("leuko")
            ratio = f"{leuko / bare:.2f}" if bare and leuko else ""
            lines.append(f"| {title} | {' | '.join(cells)} | {ratio} |")
    return "\n".join(lines)
