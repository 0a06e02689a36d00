// A picture goes to the service that this page comes from, and what it finds is drawn over it.

const data = JSON.parse(at("data").textContent);
const TOLERANCES = [0.5, 0.2, 0.1, 0.05, 0.02, 0.01];
const MANY = 60; // labels of so many boxes only cover the picture
const TRIES = 8;

const state = { file: null, url: "", answer: null, threshold: null, tolerance: "", by: "class" };

const number = (value) => String(Number(value.toPrecision(2)));
const least = (found) => state.threshold ?? data.classes[found.label].threshold;
const shown = () => state.answer.detections.filter((found) => found.score >= least(found));
const settledAt = () => Number(state.tolerance || data.tolerance || 0.05);

// Green where a query is within the tolerance, red from ten times of it on.
function heat(residual) {
  if (residual === null) return "hsl(0 0% 60%)";
  const share = Math.min(1, Math.max(0, (Math.log10(residual / settledAt()) + 0.5) / 1.5));
  return `hsl(${Math.round(145 * (1 - share))} 78% 47%)`;
}

const colourOf = (found) => (state.by === "residual" ? heat(found.residual) : data.classes[found.label].colour);
const inkOf = (found) => (state.by === "residual" ? "#000" : data.classes[found.label].ink);

function tell(text, wrong = false) {
  const told = at("told");
  told.textContent = text;
  told.className = wrong ? "wrong" : "";
}

const pause = (seconds) => new Promise((done) => setTimeout(done, 1000 * seconds));

// A busy service says when to come back, and the page does.
async function send(file) {
  // all of them: the slider decides which are shown
  const query = new URLSearchParams({ threshold: "0" });
  if (state.tolerance) query.set("tolerance", state.tolerance);
  for (let attempt = 1; ; attempt++) {
    const response = await fetch(`detect?${query}`, {
      method: "POST", body: file, headers: { "Content-Type": file.type.startsWith("image/") ? file.type : "application/octet-stream" },
    });
    if (response.ok) return response.json();
    const problem = await response.json().catch(() => ({ detail: `The service answered ${response.status}.` }));
    const seconds = Number(response.headers.get("Retry-After"));
    if (!seconds || attempt === TRIES) throw new Error(problem.detail);
    tell(`${problem.detail} Asking again in ${counted(seconds, "second")} …`);
    await pause(seconds);
  }
}

async function ask(file) {
  if (at("drop").disabled) return;
  if (file.size > data.most_bytes) return tell(`${file.name} has ${number(file.size / 2 ** 20)} MB; the service takes ${number(data.most_bytes / 2 ** 20)} MB.`, true);
  at("drop").disabled = true;
  tell(`${file.name} is being looked at …`);
  const start = performance.now();
  try {
    const answer = await send(file);
    if (state.file !== file) {
      URL.revokeObjectURL(state.url);
      state.url = URL.createObjectURL(file);
    }
    state.file = file;
    state.answer = answer;
    const refined = answer.refinement ? ` after ${counted(answer.refinement.steps, "step")}` : "";
    const notes = answer.notes.map((note) => ` Note: ${note}.`).join("");
    tell(`${file.name}, ${answer.width} × ${answer.height}: answered in ${Math.round(performance.now() - start)} ms${refined}.${notes}`);
    showAnswer();
  } catch (error) {
    tell(error instanceof TypeError ? "The service does not answer; is it still running?" : error.message, true);
  } finally {
    at("drop").disabled = false;
  }
}

function askSection() {
  const file = element("input", { type: "file", accept: "image/*,.tif,.tiff", tabIndex: -1, id: "file" });
  file.setAttribute("aria-hidden", "true");
  const drop = element("button", { type: "button", id: "drop" },
    element("b", {}, "Drop a picture here, paste one, or choose a file"),
    element("span", {}, `JPEG, PNG, WebP, BMP, GIF or TIFF; up to ${number(data.most_bytes / 2 ** 20)} MB and ${number(data.most_pixels / 1e6)} million pixels`));
  const told = element("p", { id: "told" });
  told.setAttribute("role", "status");
  at("ask").append(file, drop, told);
  drop.addEventListener("click", () => file.click());
  file.addEventListener("change", () => {
    if (file.files.length > 0) ask(file.files[0]);
    file.value = "";
  });
  addEventListener("dragover", (event) => { event.preventDefault(); drop.classList.add("over"); });
  addEventListener("dragleave", (event) => { if (!event.relatedTarget) drop.classList.remove("over"); });
  addEventListener("drop", (event) => {
    event.preventDefault();
    drop.classList.remove("over");
    if (event.dataTransfer.files.length > 0) ask(event.dataTransfer.files[0]);
  });
  addEventListener("paste", (event) => {
    const pasted = [...event.clipboardData.files].find((each) => each.type.startsWith("image/"));
    if (pasted) ask(pasted);
  });
}

function controls() {
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
  const nodes = [element("label", {}, "scores from", slider, value)];
  if (data.steps !== null) {
    const tolerance = element("select", { id: "tolerance" },
      element("option", { value: "" }, data.tolerance === null ? `none, ${counted(data.steps + 1, "step")}` : number(data.tolerance)),
      ...TOLERANCES.filter((each) => each !== data.tolerance).map((each) => element("option", { value: String(each) }, String(each))));
    tolerance.value = state.tolerance;
    tolerance.addEventListener("change", () => {
      state.tolerance = tolerance.value;
      ask(state.file);
    });
    const by = element("select", { id: "by" }, element("option", { value: "class" }, "class"), element("option", { value: "residual" }, "residual"));
    by.value = state.by;
    by.addEventListener("change", () => {
      state.by = by.value;
      at("scale").hidden = state.by !== "residual";
      showFound();
    });
    const scale = element("span", { id: "scale", hidden: state.by !== "residual" }, "settled", element("i", {}), "moving");
    nodes.push(element("label", {}, "tolerance", tolerance), element("label", {}, "colour by", by), scale);
  }
  return element("div", { className: "controls" }, ...nodes);
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
  const image = element("img", { alt: "", src: state.url });
  // TIFF, mostly: boxes on an empty frame are better than none
  image.addEventListener("error", () => { image.hidden = true; });
  frame.replaceChildren(image, svg);
  [...found.entries()].reverse().forEach(([place, each]) => {
    const [left, top, right, bottom] = each.box;
    const box = { x: left, y: top, width: Math.max(0, right - left), height: Math.max(0, bottom - top) };
    svg.append(placed(drawn("rect", { ...box, class: "under" }), place), placed(drawn("rect", { ...box, class: "box", stroke: colourOf(each) }), place));
    if (found.length > MANY) return;
    const y = (100 * Math.max(0, top)) / height;
    const style = `left:${(100 * Math.max(0, left)) / width}%;top:${y}%;background:${colourOf(each)};color:${inkOf(each)}`;
    frame.append(placed(element("span", { className: y < 3 ? "label within" : "label", style }, `${each.class} ${each.score.toFixed(2)}`), place));
  });
}

function row(each, place) {
  const equilibrium = data.steps !== null;
  const cells = [
    element("td", {}, element("i", { style: `background:${colourOf(each)}` }), each.class),
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

function showFound() {
  const found = shown();
  drawPicture(found);
  const heads = ["class", "score", ...(data.steps !== null ? ["residual", "steps"] : []), "box, px"];
  at("list").replaceChildren(
    element("h2", {}, counted(found.length, "detection")),
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

function showAnswer() {
  const section = at("found");
  const focused = document.activeElement?.id;
  section.hidden = false;
  section.replaceChildren(controls(), element("div", { className: "columns" },
    element("div", { className: "grow" }, element("div", { className: "frame", id: "frame" })),
    element("div", { className: "aside", id: "list" })));
  fit();
  showFound();
  if (focused && section.querySelector(`#${focused}`)) at(focused).focus();
}

function about() {
  const base = new URL(".", location.href).href;
  const refinement = data.steps === null ? [] : [element("p", {},
    "A DEQDet detector refines its guesses (queries) until they no longer change. The residual says how far one more refinement would still move one: the part of its size that its box moves, or of its length that its content changes, whichever is larger. With a tolerance, a query stops as soon as its residual is below it.")];
  at("about").append(
    element("h2", {}, "This service"),
    element("p", {}, "Pictures go to the service at this address and nowhere else, and none of them is kept."),
    ...refinement,
    element("p", {}, "The same for programs, with the picture as the body or as a file of a form:"),
    element("pre", {}, `curl -T photo.jpg "${base}detect?threshold=0.5" -X POST\ncurl -F file=@photo.jpg "${base}detect?format=png" -o found.png`),
    element("p", {}, ...[["openapi.json", "OpenAPI document"], ["metrics", "what it has done"], ["health/ready", "whether it is ready"]].flatMap(([path, text], place) =>
      [place === 0 ? "" : " · ", element("a", { href: path }, text)])));
}

const names = data.classes.map((each) => each.name);
at("source").textContent = `${data.name} finds ${counted(names.length, "class", "classes")}: ${shorter(names.join(", "), 300)}.`;
document.title = `DeqDet: ${data.name}`;
askSection();
about();
addEventListener("resize", fit);
