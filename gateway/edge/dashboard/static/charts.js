// Small charts, drawn as SVG in the size that they are shown in.

import { h, svg } from "/dashboard/dom.js";
import { measure, timeOf } from "/dashboard/format.js";

/** The latest values as a line; oldest first. */
export function sparkline(values, label) {
  const [width, height] = [96, 24];
  const shown = values.filter((v) => v !== null && v !== undefined);
  if (shown.length < 2) return h("span", { class: "muted" }, "–");
  const most = Math.max(...shown);
  const least = Math.min(...shown, most * 0.5);
  const x = (i) => 2 + (i / (shown.length - 1)) * (width - 4);
  const y = (v) => height - 3 - ((v - least) / (most - least || 1)) * (height - 6);
  const line = shown.map((v, i) => `${x(i).toFixed(1)},${y(v).toFixed(1)}`).join(" ");
  const last = shown.length - 1;
  return svg("svg", { class: "spark", width, height, viewBox: `0 0 ${width} ${height}`, role: "img",
                      "aria-label": `${label}: ${shown.length} calls, latest ${measure(shown[last])}` },
    svg("polyline", { points: line }),
    svg("circle", { cx: x(last), cy: y(shown[last]), r: 2 }));
}

/**
 * One number of an agent's calls, over time, in front of the band in which two of three of its values lie.
 * points: [{at: Date, value, bad}], the oldest first; band: {usual, low, high} or null.
 */
export function vitalsChart(points, band, { label, unit, width }) {
  const height = 132;
  const edge = { left: 46, right: 10, top: 10, bottom: 22 };
  const inner = { width: width - edge.left - edge.right, height: height - edge.top - edge.bottom };
  const top = Math.max(...points.map((p) => p.value), band?.high ?? 0) * 1.1 || 1;
  const x = (i) => edge.left + (points.length < 2 ? inner.width / 2 : (i / (points.length - 1)) * inner.width);
  const y = (v) => edge.top + inner.height - (v / top) * inner.height;
  const last = points.at(-1);
  const told = band?.usual === null || !band ? "usual values not known yet"
    : `usual ${measure(band.usual)}, between ${measure(band.low)} and ${measure(band.high)}`;
  const drawn = svg("svg", { class: "chart", width, height, viewBox: `0 0 ${width} ${height}`, role: "img",
                             "aria-label": `${label}: latest ${measure(last?.value)} ${unit}; ${told}` });
  for (const share of [0, 0.5, 1]) {
    const v = (top / 1.1) * share;
    drawn.append(
      svg("line", { class: "rule", x1: edge.left, x2: width - edge.right, y1: y(v), y2: y(v) }),
      svg("text", { x: edge.left - 6, y: y(v) + 4, "text-anchor": "end" }, measure(v)));
  }
  if (band && band.high !== null) {
    drawn.append(
      svg("rect", { class: "band", x: edge.left, width: inner.width, y: y(band.high),
                    height: Math.max(2, y(band.low) - y(band.high)) }),
      svg("line", { class: "usual", x1: edge.left, x2: width - edge.right, y1: y(band.usual), y2: y(band.usual) }));
  }
  drawn.append(svg("polyline", { points: points.map((p, i) => `${x(i)},${y(p.value)}`).join(" ") }));
  points.forEach((p, i) => {
    if (points.length > 60 && !p.bad && i !== points.length - 1) return;
    drawn.append(svg("circle", { class: p.bad ? "bad" : "", cx: x(i), cy: y(p.value), r: p.bad ? 3.5 : 2 },
      svg("title", {}, `${timeOf(p.at)}: ${measure(p.value)} ${unit}${p.bad ? ` (${p.bad})` : ""}`)));
  });
  if (points.length) {
    drawn.append(
      svg("text", { x: edge.left, y: height - 6 }, timeOf(points[0].at)),
      svg("text", { x: width - edge.right, y: height - 6, "text-anchor": "end" }, timeOf(last.at)));
  }
  return drawn;
}
