// Elements from values. Text only ever becomes text nodes: there is no way from here to markup.

const SVG = "http://www.w3.org/2000/svg";
// Controls, and what turns the direction of text after it (Unicode TR9): shown as what they are.
const UNSHOWN = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]/g;

/** Text that others chose, with nothing in it that is not to be seen. */
export function plain(text) {
  return String(text ?? "").replace(UNSHOWN, (c) => `\\u{${c.codePointAt(0).toString(16)}}`);
}

function put(node, props) {
  for (const [name, value] of Object.entries(props ?? {})) {
    if (value === undefined || value === null || value === false) continue;
    if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else if (name === "value") node.value = value;
    else node.setAttribute(name, value === true ? "" : String(value));
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
