// The detector of this folder in this browser: a worker computes, the page draws. No picture leaves the machine.

const data = await describedIn("model.json").catch((error) => {
  at("still").textContent = error.message;
  throw error;
});
const PAUSE = 350; // ms between the steps that are played
const REFUSED = {
  NotAllowedError: "The camera is not allowed for this page; the browser's settings of this site can allow it.",
  NotFoundError: "There is no camera.",
  NotReadableError: "The camera is in use by another program, or does not answer.",
};

// step: how many applications the shown state is away from the first one; Infinity: what was found in the end
const state = { answer: null, view: null, url: "", threshold: null, by: "class", step: Infinity, player: null, camera: null, computing: "" };

const worker = new Worker("detector.js", { type: "module" });
const asked = new Map(); // what the worker has not answered yet, by numbers
let requests = 0;

async function describedIn(file) {
  const response = await fetch(file);
  if (!response.ok) throw new Error(`${file} cannot be fetched (${response.status}); export the page again.`);
  return response.json();
}

worker.addEventListener("message", (event) => {
  const { id, result, problem, loaded, of } = event.data;
  if (of) return tell(`The model is being loaded: ${Math.round((100 * loaded) / of)} % of ${number(of / 2 ** 20)} MB …`);
  const { answer, refuse } = asked.get(id);
  asked.delete(id);
  if (problem) refuse(new Error(problem));
  else answer(result);
});
worker.addEventListener("error", (event) => {
  for (const { refuse } of asked.values()) refuse(new Error(event.message || "detector.js cannot be loaded"));
  asked.clear();
});

// What the worker answers to a message; `given` becomes its own.
const request = (message, given = []) => new Promise((answer, refuse) => {
  const id = ++requests;
  asked.set(id, { answer, refuse });
  worker.postMessage({ ...message, id }, given);
});

const settledAt = () => data.tolerance ?? 0.05;
const pictureNode = () => state.view();

function enable(ready) {
  for (const id of ["drop", "camera", "provider"]) if (at(id)) at(id).disabled = !ready;
}

// Loads the model to be computed in this way, and says how it is.
async function open(provider) {
  enable(false);
  try {
    const opened = await request({ open: { model: data, provider } });
    if (at("provider")) at("provider").value = opened.provider;
    state.computing = opened.provider === "webgpu" ? "WebGPU" : `WebAssembly, ${counted(opened.threads, "thread")}`;
    tell(`Ready (${state.computing}). ${opened.note}`);
    enable(true);
  } catch (error) {
    tell(`The model cannot be used: ${error.message}`, true);
    // another way may do
    if (at("provider")) at("provider").disabled = false;
  }
}

function told(name, { width, height, path, milliseconds: { preparing, computing } }) {
  const refined = path.length > 0 ? ` after ${counted(path.length - 1, "step")}` : "";
  tell(`${name}, ${width} × ${height}: answered in ${Math.round(preparing + computing)} ms${refined}, ${Math.round(computing)} ms of them in the network (${state.computing}).`);
}

async function lookAt(file) {
  if (at("drop").disabled) return;
  stopCamera();
  enable(false);
  tell(`${file.name} is being looked at …`);
  try {
    const answer = await request({ source: file });
    URL.revokeObjectURL(state.url);
    state.url = URL.createObjectURL(file);
    const { url } = state;
    show(answer, () => element("img", { alt: "", src: url }));
    told(file.name, answer);
  } catch (error) {
    tell(`${file.name}: ${error.message}`, true);
  } finally {
    enable(true);
  }
}

function stopCamera() {
  if (state.camera === null) return;
  for (const track of state.camera.getTracks()) track.stop();
  state.camera = null;
  at("camera").textContent = "Use the camera";
  at("told").setAttribute("aria-live", "polite");
}

// One frame after the other, as fast as they are computed, until it is stopped.
async function watch() {
  if (state.camera) return stopCamera();
  if (!navigator.mediaDevices) return tell("Browsers give the camera to pages from https or from this machine itself (localhost) only.", true);
  const video = element("video", { muted: true, playsInline: true });
  try {
    state.camera = await navigator.mediaDevices.getUserMedia({ video: { facingMode: "environment" } });
    video.srcObject = state.camera;
    await video.play();
  } catch (error) {
    stopCamera();
    return tell(REFUSED[error.name] ?? `The camera cannot be used: ${error.message}`, true);
  }
  const { camera } = state;
  at("camera").textContent = "Stop the camera";
  // nobody wants every frame read out
  at("told").setAttribute("aria-live", "off");
  camera.getVideoTracks()[0].addEventListener("ended", () => {
    stopCamera();
    tell("The camera was unplugged or switched off.", true);
  });
  while (state.camera === camera) {
    try {
      // a page that nobody sees computes nothing
      await new Promise(requestAnimationFrame);
      const frame = await createImageBitmap(video);
      const canvas = element("canvas", { width: frame.width, height: frame.height });
      canvas.getContext("2d").drawImage(frame, 0, 0);
      const answer = await request({ source: frame }, [frame]);
      if (state.camera !== camera) return;
      show(answer, () => canvas);
      told("Camera", answer);
    } catch (error) {
      if (state.camera !== camera) return;
      stopCamera();
      tell(error.message, true);
    }
  }
}

const last = () => state.answer.path.length - 1;
const atEnd = () => state.step >= last();

function stepTold() {
  if (atEnd()) return `the end, after ${counted(last(), "application")}`;
  return state.step === 0 ? "after the init head" : `after application ${state.step} of ${last()}`;
}

function go(step) {
  state.step = step >= last() ? Infinity : step;
  at("step").value = Math.min(step, last());
  at("steptold").textContent = stepTold();
  showFound();
}

function stopPlaying() {
  clearInterval(state.player);
  state.player = null;
  if (at("play")) at("play").textContent = "play";
}

function play() {
  if (state.player !== null) return stopPlaying();
  if (atEnd()) go(0);
  at("play").textContent = "stop";
  state.player = setInterval(() => {
    go(state.step + 1);
    if (atEnd()) stopPlaying();
  }, PAUSE);
}

function stepControls() {
  const slider = element("input", { type: "range", min: 0, max: last(), step: 1, id: "step" });
  slider.value = Math.min(state.step, last());
  slider.addEventListener("input", () => {
    stopPlaying();
    go(Number(slider.value));
  });
  const button = element("button", { type: "button", id: "play", className: "plain" }, "play");
  button.addEventListener("click", play);
  return element("div", { id: "way" }, button, element("label", {}, "step", slider), element("output", { id: "steptold" }, stepTold()));
}

function show(answer, view) {
  // frames of the camera follow each other under controls that stay
  const same = state.camera !== null && state.answer !== null && at("frame") !== null
    && ["width", "height"].every((side) => answer[side] === state.answer[side]) && answer.path.length === state.answer.path.length;
  Object.assign(state, { answer, view });
  if (same) return showFound();
  stopPlaying();
  state.step = Infinity;
  showWith([
    thresholdControl(),
    ...(data.steps === null ? [] : colourControls()),
    ...(answer.path.length > 1 ? [stepControls()] : []),
  ]);
}

function showFound() {
  const { found, path } = state.answer;
  const shown = (atEnd() ? found : path[state.step]).filter((each) => each.score >= least(each));
  drawPicture(shown);
  listFound(shown, counted(shown.length, atEnd() ? "detection" : "box", atEnd() ? "detections" : "boxes"));
}

// How the model is computed is a choice where there is one.
function providerControl() {
  const provider = element("select", { id: "provider" },
    element("option", { value: "wasm" }, "WebAssembly"), element("option", { value: "webgpu" }, "WebGPU"));
  provider.addEventListener("change", () => {
    stopCamera();
    open(provider.value);
  });
  return element("label", {}, "compute with", provider);
}

function about() {
  const refinement = data.steps === null ? [] : [
    element("p", {}, EQUILIBRIUM),
    element("p", {}, "On the way, each query is shown with its best class, and with the residual and the steps that it had in the end."),
  ];
  at("about").append(
    element("h2", {}, "This page"),
    element("p", {}, `The detector (${data.model}; ${data.how}) computes in this browser. Pictures and frames of the camera stay on this machine; nothing is sent anywhere.`),
    ...refinement,
    element("p", {}, "It was written by DeqDet and runs by ONNX Runtime Web, ", element("a", { href: "runtime/LICENSE.txt" }, "under the MIT licence"), "."));
}

const gpu = await navigator.gpu?.requestAdapter().catch(() => null);
const names = data.classes.map((each) => each.name);
at("source").textContent = `${data.name} finds ${counted(names.length, "class", "classes")}: ${shorter(names.join(", "), 300)}.`;
document.title = `DeqDet: ${data.name}`;
const camera = element("button", { type: "button", id: "camera", className: "plain" }, "Use the camera");
camera.addEventListener("click", watch);
const [file, drop, line] = dropArea(`JPEG, PNG, WebP, BMP or GIF; up to ${number(data.most_pixels / 1e6)} million pixels`, "image/*", lookAt);
at("ask").append(file, drop, element("div", { className: "row" }, camera, gpu ? providerControl() : null), line);
about();
at("still").remove();
for (const id of ["ask", "about"]) at(id).hidden = false;
await open("wasm");
