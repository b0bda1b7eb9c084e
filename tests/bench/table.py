"""Results as the table of the README."""

Results = dict[str, dict[str, dict[str, float]]]

_ROWS = (
    ("whole", "CPU per whole answer, µs", "cpu_per_answer"),
    ("stream", "CPU per streamed event, µs", "cpu_per_event"),
    ("large", "CPU per answer to a 1 MB body, µs", "cpu_per_answer"),
    ("latency", "latency of a whole answer, p50, ms", "p50"),
    ("latency", "latency of a whole answer, p99, ms", "p99"),
    ("mcp", "latency of an MCP call, p50, ms", "p50"),
    ("first_event", "first event of a stream, p50, ms", "first_p50"),
)
_COLUMNS = ("direct", "bare", "leuko", "all on", "litellm")
_OURS = ("leuko", "all on")


def markdown(results: Results) -> str:
    """One row a figure, one column a proxy, and the ratios of Leuko to the bare forwarder."""
    columns = [c for c in _COLUMNS if any(c in figures for figures in results.values())]
    ours = [c for c in _OURS if c in columns]
    heads = [*columns, *(f"{c} / bare" for c in ours)]
    lines = [f"| figure | {' | '.join(heads)} |", "|---" * (len(heads) + 1) + "|"]
    for load, title, key in _ROWS:
        if load in results:
            figures = {c: results[load].get(c, {}).get(key) for c in columns}
            cells = ["" if figures[c] is None else f"{figures[c]:,.2f}" for c in columns]
            bare = figures.get("bare")
            cells += [f"{own / bare:.2f}" if bare and (own := figures[c]) else "" for c in ours]
            lines.append(f"| {title} | {' | '.join(cells)} |")
    if "intent" in results:
        with_it, without = results["intent"]["under an intent"], results["intent"]["all on"]
        ratio = with_it["cpu_per_answer"] / without["cpu_per_answer"]
        lines += ["", f"Under an intent a whole answer costs {ratio:.2f} times the CPU that it costs without."]
    return "\n".join(lines)
