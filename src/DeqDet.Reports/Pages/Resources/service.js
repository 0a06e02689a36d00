// A picture goes to the service that this page comes from, and what it finds is drawn over it.

const data = JSON.parse(at("data").textContent);
const TOLERANCES = [0.5, 0.2, 0.1, 0.05, 0.02, 0.01];
const TRIES = 8;

const state = { file: null, url: "", answer: null, threshold: null, tolerance: "", by: "class" };

const settledAt = () => Number(state.tolerance || data.tolerance || 0.05);

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
    showWith(controls());
  } catch (error) {
    tell(error instanceof TypeError ? "The service does not answer; is it still running?" : error.message, true);
  } finally {
    at("drop").disabled = false;
  }
}

function controls() {
  if (data.steps === null) return [thresholdControl()];
  const tolerance = element("select", { id: "tolerance" },
    element("option", { value: "" }, data.tolerance === null ? `none, ${counted(data.steps + 1, "step")}` : number(data.tolerance)),
    ...TOLERANCES.filter((each) => each !== data.tolerance).map((each) => element("option", { value: String(each) }, String(each))));
  tolerance.value = state.tolerance;
  tolerance.addEventListener("change", () => {
    state.tolerance = tolerance.value;
    ask(state.file);
  });
  return [thresholdControl(), element("label", {}, "tolerance", tolerance), ...colourControls()];
}

function pictureNode() {
  const image = element("img", { alt: "", src: state.url });
  // TIFF, mostly: boxes on an empty frame are better than none
  image.addEventListener("error", () => { image.hidden = true; });
  return image;
}

function showFound() {
  const found = state.answer.detections.filter((each) => each.score >= least(each));
  drawPicture(found);
  listFound(found, counted(found.length, "detection"));
}

function about() {
  const base = new URL(".", location.href).href;
  const refinement = data.steps === null ? [] : [element("p", {}, EQUILIBRIUM)];
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
at("ask").append(...dropArea(
  `JPEG, PNG, WebP, BMP, GIF or TIFF; up to ${number(data.most_bytes / 2 ** 20)} MB and ${number(data.most_pixels / 1e6)} million pixels`,
  "image/*,.tif,.tiff", ask));
about();
