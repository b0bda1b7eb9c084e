// The vitals of one agent's latest calls as charts in front of what is usual, one model at a time.

import { vitalsChart } from "/dashboard/charts.js";
import { fill, given, h } from "/dashboard/dom.js";
import { inUnit, measure, sigma } from "/dashboard/format.js";
import { empty, field } from "/dashboard/ui.js";

const [COLUMN, GAP] = [320, 16]; // of the charts' grid, in pixels; the style sheet has the same
const CHARTS = [
  ["latency", "Latency", "ms", (v) => v.latency_ms],
  ["ttft", "First token", "ms", (v) => v.ttft_ms],
  ["output", "Output tokens", "tokens", (v) => v.output_tokens],
  ["input_first", "Input tokens", "tokens", (v) => v.input_tokens],
  ["tools", "Tool calls", "calls", (v) => v.tool_calls],
  ["cost", "Cost", "USD", (v) => v.cost_usd],
];

export class Vitals {
  /** `again()` is called when another model is to be drawn. */
  constructor(again) {
    this.charts = h("div", { class: "charts" });
    this.of = h("p", { class: "hint" });
    this.choice = field({ name: "model", label: "Model", kind: "select", onchange: again });
    this.models = this.choice.querySelector("select");
    this.node = [h("div", { class: "filters" }, this.choice), this.of, this.charts];
  }

  /** The model that somebody has chosen, of those that are called; empty for that of the latest call. */
  model(vitals) {
    const called = [...new Set(vitals.map((v) => v.model ?? ""))].filter(Boolean).sort();
    this.choice.hidden = called.length < 2;
    const offered = called.join("\n");
    if (this.offers !== offered) {
      const chosen = this.models.value;
      this.offers = offered;
      fill(this.models, h("option", { value: "" }, "of the latest call"), called.map((name) => h("option", { value: name }, name)));
      this.models.value = called.includes(chosen) ? chosen : "";
    }
    return this.models.value;
  }

  draw(baseline, vitals) {
    const model = this.model(vitals) || (vitals.at(-1)?.model ?? baseline.metrics.at(-1)?.model);
    const rows = vitals.filter((v) => v.model === model);
    const columns = Math.max(1, Math.floor((this.charts.clientWidth + GAP) / (COLUMN + GAP)));
    const width = Math.max(200, Math.floor((this.charts.clientWidth - GAP * (columns - 1)) / columns));
    const drawn = CHARTS.map(([metric, label, unit, valueOf]) => {
      const points = rows.filter((v) => valueOf(v) !== null)
        .map((v) => ({ at: new Date(v.time), value: valueOf(v), bad: bad(v) }));
      if (!points.some((p) => p.value)) return null; // it calls no tools, or what it costs is not known
      const band = baseline.metrics.findLast((one) => one.model === model && one.metric === metric) ?? null;
      const known = band && band.usual !== null;
      return h("div", {}, h("h3", {}, label, " ", h("span", { class: "muted" }, inUnit(points.at(-1).value, unit))),
        vitalsChart(points, band, { label, unit, width }),
        h("p", { class: "hint" }, known
          ? `usual ${inUnit(band.usual, unit)} (${measure(band.low)} to ${measure(band.high)}), latest ${sigma(band.deviation)}${metric === "latency" ? " for its length" : ""}`
          : "What is usual is not known yet."));
    }).filter(Boolean);
    fill(this.charts, drawn.length ? drawn : empty("No calls are kept of this agent."));
    fill(this.of, drawn.length > 0 && ["Its latest calls with ", given(model ?? "no model"),
      "; red dots failed, the band holds two of three usual values."]);
  }
}

const bad = (v) =>
  v.error_type ?? (v.status >= 400 ? `status ${v.status}` : v.denied_calls ? `${v.denied_calls} calls denied` : null);
