// One picture with what was found in it: boxes and labels over it, a table beside it. The page has `data` (classes, steps), `state` (answer, threshold, by),
// `settledAt` (a residual), `pictureNode` (what lies under the boxes) and `showFound` (draws all of it again).

const MANY = 60; // labels of so many boxes only cover the picture
const EQUILIBRIUM = "A DEQDet detector refines its guesses (queries) until they no longer change. The residual says how far one more refinement would still move one: the part of its size that its box moves, or of its length that its content changes, whichever is larger. With a tolerance, a query stops as soon as its residual is below it.";

const number = (value) => String(Number(value.toPrecision(2)));
const least = (found) => state.threshold ?? data.classes[found.label].threshold;

// Green where a query is within the tolerance, red from ten times of it on.
function heat(residual) {
  if (residual === null) return "hsl(0 0% 60%)";
  const share = Math.min(1, Math.max(0, (Math.log10(residual / settledAt()) + 0.5) / 1.5));
  return `hsl(${Math.round(145 * (1 - share))} 78% 47%)`;
}

const colourOf = (found) => (state.by === "residual" ? heat(found.residual) : data.classes[found.label].colour);
const inkOf = (found) => (state.by === "residual" ? "#000" : data.classes[found.label].ink);

function thresholdControl() {
  const slider = element("input", { type: "range", min: 0, max: 1, step: 0.01, id: "threshold" });
  const value = element("output", {});
  const told = () => { value.textContent = state.threshold === null ? "each class's own" : state.threshold.toFixed(2); };
  slider.value = state.threshold ?? Math.min(...data.classes.map((each) => each.threshold));
  slider.addEventListener("input", () => {
    state.threshold = Number(slider.value);
    told();
    showFound();
  });
  told();
  return element("label", {}, "scores from", slider, value);
}

// The choice of what the colours mean, and their scale.
function colourControls() {
  const by = element("select", { id: "by" }, element("option", { value: "class" }, "class"), element("option", { value: "residual" }, "residual"));
  by.value = state.by;
  by.addEventListener("change", () => {
    state.by = by.value;
    at("scale").hidden = state.by !== "residual";
    showFound();
  });
  const scale = element("span", { id: "scale", hidden: state.by !== "residual" }, "settled", element("i", {}), "moving");
  return [element("label", {}, "colour by", by), scale];
}

function mark(place) {
  at("frame").classList.toggle("chosen", place !== null);
  for (const node of document.querySelectorAll("#found [data-place]")) node.classList.toggle("marked", node.dataset.place === String(place));
}

function placed(node, place) {
  node.dataset.place = place;
  return node;
}

function drawPicture(found) {
  const { width, height } = state.answer;
  const svg = drawn("svg", { viewBox: `0 0 ${width} ${height}`, preserveAspectRatio: "none", "aria-hidden": "true" });
  const frame = at("frame");
  frame.replaceChildren(pictureNode(), svg);
  [...found.entries()].reverse().forEach(([place, each]) => {
    const [left, top, right, bottom] = each.box;
    const box = { x: left, y: top, width: Math.max(0, right - left), height: Math.max(0, bottom - top) };
    svg.append(placed(drawn("rect", { ...box, class: "under" }), place), placed(drawn("rect", { ...box, class: "box", stroke: colourOf(each) }), place));
    if (found.length > MANY) return;
    const y = (100 * Math.max(0, top)) / height;
    const style = `left:${(100 * Math.max(0, left)) / width}%;top:${y}%;background:${colourOf(each)};color:${inkOf(each)}`;
    frame.append(placed(element("span", { className: y < 3 ? "label within" : "label", style }, `${data.classes[each.label].name} ${each.score.toFixed(2)}`), place));
  });
}

function row(each, place) {
  const equilibrium = data.steps !== null;
  const cells = [
    element("td", {}, element("i", { style: `background:${colourOf(each)}` }), data.classes[each.label].name),
    element("td", {}, each.score.toFixed(3)),
    ...(equilibrium ? [element("td", {}, each.residual === null ? "–" : number(each.residual)), element("td", {}, String(each.steps))] : []),
    element("td", {}, each.box.map((edge) => Math.round(edge)).join(" ")),
  ];
  const node = placed(element("tr", { tabIndex: 0 }, ...cells), place);
  for (const [on, off] of [["pointerenter", "pointerleave"], ["focus", "blur"]]) {
    node.addEventListener(on, () => mark(place));
    node.addEventListener(off, () => mark(null));
  }
  return node;
}

function listFound(found, heading) {
  const heads = ["class", "score", ...(data.steps !== null ? ["residual", "steps"] : []), "box, px"];
  at("list").replaceChildren(
    element("h2", {}, heading),
    found.length === 0
      ? element("p", { className: "soft" }, "Nothing has a score that high; lower ones are kept behind the slider.")
      : element("div", { className: "scroll" }, element("table", {},
        element("thead", {}, element("tr", {}, ...heads.map((head) => element("th", {}, head)))),
        element("tbody", {}, ...found.map(row)))));
}

function fit() {
  if (!state.answer) return;
  const { width, height } = state.answer;
  const frame = at("frame");
  const room = frame.parentElement.clientWidth;
  const scale = Math.min(room / width, Math.max(240, innerHeight - 220) / height, 8);
  frame.setAttribute("style", `aspect-ratio:${width}/${height};width:${Math.round(scale * width)}px`);
}

// Shows an answer with these controls; what had the focus keeps it.
function showWith(controls) {
  const section = at("found");
  const focused = document.activeElement?.id;
  section.hidden = false;
  section.replaceChildren(element("div", { className: "controls" }, ...controls), element("div", { className: "columns" },
    element("div", { className: "grow" }, element("div", { className: "frame", id: "frame" })),
    element("div", { className: "aside", id: "list" })));
  fit();
  showFound();
  if (focused && section.querySelector(`#${focused}`)) at(focused).focus();
}

addEventListener("resize", fit);
