"""The settings as the README's table."""

from gateway.settings.names import OPTIONS, env_name
from gateway.settings.sources import FIELDS, allowed


def settings_table() -> str:
    """A Markdown table: name, default, meaning; one row a setting, in the order of the model."""
    rows = ["| setting | default | meaning |", "|---|---|---|"]
    for name, info in FIELDS.items():
        spelled = OPTIONS.get(name) or env_name(name)
        text = f"{info.description}; allowed: {allowed(name)}".replace("|", "\\|")
        rows.append(f"| `{spelled}` | {_default(name)} | {text} |")
    return "\n".join(rows) + "\n"


def _default(name: str) -> str:
    info = FIELDS[name]
    extra = info.json_schema_extra
    if isinstance(extra, dict) and "shown" in extra:
        return str(extra["shown"])
    if name == "timeouts":
        return ", ".join(f"{k} {v:g}" for k, v in info.default.model_dump().items())
    if info.default is None:
        return "unset"
    return f"`{str(info.default).lower()}`" if isinstance(info.default, bool) else f"`{info.default}`"
