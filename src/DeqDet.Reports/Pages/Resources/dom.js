// Small helpers. Text reaches the page as text only, never as markup.

const SVG = "http://www.w3.org/2000/svg";

function element(name, properties = {}, ...children) {
  const node = document.createElement(name);
  for (const [key, value] of Object.entries(properties)) {
    if (key === "style") node.setAttribute("style", value);
    else if (key.startsWith("aria-")) node.setAttribute(key, value);
    else node[key] = value;
  }
  node.append(...children.filter((child) => child !== null));
  return node;
}

function drawn(name, attributes = {}, ...children) {
  const node = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, value);
  node.append(...children);
  return node;
}

// What a click does, the Enter key does too, and nothing else: its default would press the button that the action puts the focus on.
function press(node, action) {
  node.tabIndex = 0;
  node.addEventListener("click", action);
  node.addEventListener("keydown", (event) => {
    if (event.key !== "Enter") return;
    event.preventDefault();
    action();
  });
}

const at = (id) => document.getElementById(id);
const fixed = (value, digits = 3) => (value === null || value < 0 ? "–" : value.toFixed(digits));
const score = (value) => String(Number(value.toPrecision(3)));
const whole = (value) => value.toLocaleString("en");
const counted = (n, one, many = one + "s") => `${whole(n)} ${n === 1 ? one : many}`;
const shorter = (text, length) => (text.length > length ? text.slice(0, length - 1) + "…" : text);

const KINDS = {
  wrong_class: ["wrong class", "on an object of another class"],
  badly_placed: ["badly placed", "near an object of its class, not near enough"],
  both: ["both wrong", "near an object of another class, not near enough"],
  duplicate: ["duplicate", "on an object that a surer detection has found"],
  background: ["background", "where no object is"],
  missed: ["missed", "objects that nothing came near"],
};
const colour = (kind) => `var(--${kind.replace("_", "-")})`;

// One tip for the whole page; it follows the pointer and stays inside the window.
function showTip(event, text) {
  const tip = at("tip");
  tip.textContent = text;
  tip.hidden = false;
  (event.target.closest("dialog") ?? document.body).append(tip);
  const left = Math.min(event.clientX + 14, innerWidth - tip.offsetWidth - 8);
  const below = event.clientY + 16;
  const top = below + tip.offsetHeight > innerHeight - 8 ? event.clientY - tip.offsetHeight - 10 : below;
  tip.style.left = Math.max(8, left) + "px";
  tip.style.top = Math.max(8, top) + "px";
}

function hideTip() {
  at("tip").hidden = true;
}
