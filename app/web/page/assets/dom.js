// Elements are made here and nowhere else. Whatever comes from the hub goes in as text,
// never as markup.

const SVG = "http://www.w3.org/2000/svg";

export const $ = (id) => document.getElementById(id);

// el makes an element. Attributes whose value is null or false are left out; "text"
// and functions ("onclick") are properties, children are nodes or strings.
export function el(tag, attrs = {}, ...children) {
  return fill(document.createElement(tag), attrs, children);
}

// svg makes an element of a picture.
export function svg(tag, attrs = {}, ...children) {
  return fill(document.createElementNS(SVG, tag), attrs, children);
}

function fill(node, attrs, children) {
  for (const [k, v] of Object.entries(attrs)) {
    if (v === null || v === undefined || v === false) continue;
    if (typeof v === "function") node.addEventListener(k.slice(2), v);
    else if (k === "text") node.textContent = v;
    else node.setAttribute(k, v === true ? "" : String(v));
  }
  node.append(...children.filter((c) => c !== null && c !== undefined && c !== false));
  return node;
}

// say sets a text only where it changes, so that live regions speak of changes alone.
export function say(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

// mark sets an attribute only where it changes.
export function mark(node, name, value) {
  if (value === null || value === false) node.removeAttribute(name);
  else if (node.getAttribute(name) !== String(value)) node.setAttribute(name, value);
}

export function show(node, yes) { node.hidden = !yes; }

// time is an element whose age the page keeps true; see ages.
export function time(at, prefix = "") {
  return el("time", at ? { datetime: at, "data-at": at, "data-prefix": prefix } : { class: "quiet" });
}
