// Elements from values. Text only ever becomes text nodes: there is no way from here to markup.

const SVG = "http://www.w3.org/2000/svg";
// Controls, what turns the direction of text after it (Unicode TR9), and what nobody sees (so that two names look the
// same): shown as what they are. Emoji may be joined.
const JOINED = String.raw`(?<=\p{Extended_Pictographic})\ufe0f|(?<=\p{Extended_Pictographic}\ufe0f?)\u200d(?=\p{Extended_Pictographic})`;
const UNSHOWN = new RegExp(String.raw`(?!${JOINED}|[\t\n])[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}\p{Default_Ignorable_Code_Point}]`, "gu");
const READ = new Set(["title", "aria-label", "data-label", "placeholder"]);

/** Text that others chose, with nothing in it that is not to be seen. */
export function plain(text) {
  return String(text ?? "").replace(UNSHOWN, (c) => `\\u{${c.codePointAt(0).toString(16)}}`);
}

function put(node, props) {
  for (const [name, value] of Object.entries(props ?? {})) {
    if (value === undefined || value === null || value === false) continue;
    if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else if (name === "value") node.value = value;
    else node.setAttribute(name, value === true ? "" : READ.has(name) ? plain(value) : String(value));
  }
}

function add(node, children) {
  for (const child of children.flat(Infinity)) {
    if (child === undefined || child === null || child === false || child === "") continue;
    node.append(child instanceof Node ? child : plain(child));
  }
  return node;
}

/** An element: `h("a", {href: "#/"}, "Overview")`; properties that begin with `on` are listeners. */
export function h(tag, props, ...children) {
  const node = document.createElement(tag);
  put(node, props);
  return add(node, children);
}

export function svg(tag, props, ...children) {
  const node = document.createElementNS(SVG, tag);
  put(node, props);
  return add(node, children);
}

/** Put these in the place of what a node holds. */
export function fill(node, ...children) {
  node.replaceChildren();
  return add(node, children);
}

/** Text of agents or people, apart from the text around it. */
export const given = (text, props) => h("bdi", props, text);

/**
 * One child for each item: those of before stay where they are, so that focus and selection do.
 * `make(item)` gives a node; `update(node, item)` is called for every item, a new one too.
 */
export function keyed(parent, items, key, make, update) {
  const before = new Map([...parent.children].map((node) => [node.dataset.key, node]));
  let place = parent.firstElementChild;
  for (const item of items) {
    const name = String(key(item));
    let node = before.get(name);
    before.delete(name);
    if (!node) {
      node = make(item);
      node.dataset.key = name;
    }
    update?.(node, item);
    if (node === place) place = place.nextElementSibling;
    else parent.insertBefore(node, place);
  }
  for (const node of before.values()) node.remove();
}

/** Set text only where it differs: what is the same is not read out again. */
export function say(node, text) {
  const shown = plain(text);
  if (node.textContent !== shown) node.textContent = shown;
}
