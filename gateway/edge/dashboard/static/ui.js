// What the views share: dialogs, changes with what became of them, tables.

import { Failure } from "/dashboard/api.js";
import { fill, h } from "/dashboard/dom.js";

/** Read out to who does not see it, and shown for a while to who does. */
export function announce(text, kind = "info") {
  const node = document.getElementById("said");
  node.dataset.kind = kind;
  fill(node, h("span", {}, text));
  clearTimeout(announce.timer);
  announce.timer = setTimeout(() => fill(node), kind === "error" ? 12_000 : 6_000);
}

/** Try a change, and say what became of it; gives its answer, or undefined. */
export async function attempt(doing, done) {
  try {
    const answer = await doing();
    if (done) announce(typeof done === "function" ? done(answer) : done);
    return answer ?? true;
  } catch (error) {
    if (!(error instanceof Failure)) throw error;
    announce(error.message, "error");
    return undefined;
  }
}

let fields = 0;

/** A label with its field: `{name, label, kind: "text"|"number"|"area"|"select", value, options, hint, required}`. */
export function field({ name, label, kind = "text", value = "", options = [], hint, required, ...more }) {
  const id = `field-${++fields}`;
  const given = { id, name, required, "aria-describedby": hint ? `${id}-hint` : undefined, ...more };
  let input;
  if (kind === "select") {
    input = h("select", given, options.map(([v, text]) => h("option", { value: v, selected: v === value }, text)));
  } else if (kind === "area") {
    input = h("textarea", { rows: 6, spellcheck: "false", ...given, value });
  } else {
    input = h("input", { type: kind, autocomplete: "off", ...given, value });
  }
  return h("div", { class: "field" }, h("label", { for: id }, label), input,
    hint && h("p", { class: "hint", id: `${id}-hint` }, hint));
}

/** What a form's fields hold, by name; empty ones are left out. */
export const values = (form) =>
  Object.fromEntries([...new FormData(form)].filter(([, v]) => v !== "").map(([k, v]) => [k, v]));

/** Ask for a decision; gives the fields' values, or null. `body`: nodes more; without `cancel` there is nothing to decide. */
export function ask({ title, text, fields: asked = [], body = [], confirm, danger = false, cancel = true }) {
  return new Promise((resolve) => {
    let answer = null;
    const heading = `dialog-${++fields}`;
    const form = h("form", { method: "dialog", onsubmit: (event) => {
      event.preventDefault();
      answer = values(form);
      dialog.close();
    } },
      h("h2", { id: heading }, title),
      text && h("p", {}, text),
      asked.map(field), body,
      h("div", { class: "buttons" },
        h("button", { type: "submit", class: danger ? "danger" : "primary" }, confirm),
        cancel && h("button", { type: "button", onclick: () => dialog.close() }, "Cancel")));
    const dialog = h("dialog", { "aria-labelledby": heading, onclose: () => {
      dialog.remove();
      resolve(answer);
    } }, form);
    document.body.append(dialog);
    dialog.showModal();
  });
}

/**
 * A table that can be scrolled by keyboard, and on a phone is a list of cards; `columns`: [title, class?].
 * Gives {node, body, row(cells), show(rows, empty)}.
 */
export function table(caption, columns, props) {
  const body = h("tbody");
  const node = h("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": caption },
    h("table", { class: "cards", ...props }, h("caption", { class: "hidden" }, caption),
      h("thead", {}, h("tr", {}, columns.map(([title, kind]) => h("th", { scope: "col", class: kind }, title)))), body));
  return {
    node,
    body,
    row: (cells) => row(columns, cells),
    show: (rows, empty) => fill(body, rows.length ? rows : nothing(columns, empty)),
  };
}

/** A row of such a table, which says of each cell what it is. */
export const row = (columns, cells) =>
  h("tr", {}, columns.map(([label, kind], i) => h("td", { class: kind, "data-label": label }, cells[i] ?? "")));

/** What stands in a table without rows. */
export const nothing = (columns, text) => h("tr", { class: "none" }, h("td", { colspan: columns.length, class: "muted" }, text));

/** A part of a page below a heading of its own. */
export function part(title, ...children) {
  const id = `part-${++fields}`;
  return h("section", { class: "part", "aria-labelledby": id }, h("h2", { id }, title), children);
}

export const empty = (text) => h("p", { class: "empty" }, text);

export const heading = (text, ...more) => h("div", { class: "title" }, h("h1", {}, text), more);

/** The lines of a list, or that there are none. */
export const lines = (node, items, none = "None.") => fill(node, items.length ? items : h("li", { class: "empty" }, none));

/** A longer text as it stands, which can be scrolled by keyboard. */
export const verbatim = (label, text, props) => h("pre", { tabindex: "0", role: "region", "aria-label": label, ...props }, text);

/** A list of terms with what they are. */
export const facts = (pairs) =>
  h("dl", { class: "facts" }, pairs.filter(([, v]) => v !== null && v !== undefined && v !== "" && v !== false)
    .map(([term, value]) => h("div", {}, h("dt", {}, term), h("dd", {}, value))));

/** Runs one thing at a time; what is asked for meanwhile runs once more, behind it. */
export function oneAtATime(work) {
  let running = false;
  let wanted = false;
  return async function run() {
    if (running) {
      wanted = true;
      return;
    }
    running = true;
    try {
      do {
        wanted = false;
        await work();
      } while (wanted);
    } finally {
      running = false;
    }
  };
}
