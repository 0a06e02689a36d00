// The detector, in a worker beside the page so that the page goes on while it computes: pictures in, detections out.

import { prepared } from "./picture.js";

const BUILDS = { wasm: "ort.wasm.min.mjs", webgpu: "ort.webgpu.min.mjs" };
const MOST_THREADS = 8;
// What a GPU's rounding may change in the picture of the check.
const SCORE_APART = 0.02;
const BOX_APART = 2;

let model = null; // what model.json says
let runtime = null; // the module of ONNX Runtime
let session = null;

// The bytes of a file, with word on the way.
async function bytesOf(address, length) {
  const response = await fetch(address);
  if (!response.ok) throw new Error(`${address} cannot be fetched (${response.status}).`);
  const bytes = new Uint8Array(length);
  let taken = 0;
  const reader = response.body.getReader();
  for (let part = await reader.read(); !part.done; part = await reader.read()) {
    if (taken + part.value.length > length) throw new Error(`${address} is longer than model.json says; export the page again.`);
    bytes.set(part.value, taken);
    taken += part.value.length;
    postMessage({ loaded: taken, of: length });
  }
  if (taken < length) throw new Error(`${address} is shorter than model.json says; export the page again.`);
  return bytes;
}

async function start(provider, bytes) {
  const folder = new URL("runtime/", self.location.href).href;
  runtime = await import(folder + BUILDS[provider]);
  runtime.env.wasm.wasmPaths = folder;
  // threads share memory, which browsers allow only to pages that are served with two headers
  runtime.env.wasm.numThreads = self.crossOriginIsolated ? Math.min(self.navigator.hardwareConcurrency || 1, MOST_THREADS) : 1;
  session = await runtime.InferenceSession.create(bytes, {
    executionProviders: provider === "wasm" ? ["wasm"] : [provider, "wasm"],
    // that some operators are not for the GPU is known
    logSeverityLevel: 3,
  });
}

const reasonOf = (error) => (error instanceof Error ? error.message : String(error));

// A GPU that does not come to the numbers of the export is not used.
async function checked() {
  const response = await fetch(model.check.file);
  const { found } = await detect(await response.blob());
  for (const expected of model.check.detections) {
    const near = found.some((one) => one.label === expected.label && Math.abs(one.score - expected.score) <= SCORE_APART
      && one.box.every((edge, i) => Math.abs(edge - expected.box[i]) <= BOX_APART));
    if (!near) throw new Error("it finds something else in the picture of the check than the program that wrote this page");
  }
}

// Opens the model, on the GPU where that is wanted and works.
async function open(description, wanted) {
  await session?.release();
  session = null;
  model = description;
  const bytes = await bytesOf(model.file, model.bytes);
  let note = "";
  if (wanted === "webgpu") {
    try {
      if (!(await self.navigator.gpu?.requestAdapter())) throw new Error("this browser gives it no GPU");
      await start("webgpu", bytes);
      await checked();
      return { provider: "webgpu", note };
    } catch (error) {
      note = `WebGPU is not used: ${reasonOf(error)}.`;
      await session?.release().catch(() => {});
      session = null;
    }
  }
  await start("wasm", bytes);
  return { provider: "wasm", threads: runtime.env.wasm.numThreads, note };
}

// Pixels of a picture file or of a frame of the camera, RGBA, as they are stored: no change of colours.
async function pixelsOf(source) {
  let bitmap = source;
  if (source instanceof Blob) {
    try {
      bitmap = await createImageBitmap(source, { colorSpaceConversion: "none", premultiplyAlpha: "none" });
    } catch {
      throw new Error("This browser cannot read it as a picture.");
    }
  }
  const { width, height } = bitmap;
  if (width * height > model.most_pixels) {
    bitmap.close();
    throw new Error(`It has ${width} × ${height} pixels, more than the ${Math.round(model.most_pixels / 1e6)} million that this page takes; scale it down.`);
  }
  const context = new OffscreenCanvas(width, height).getContext("2d", { willReadFrequently: true });
  context.drawImage(bitmap, 0, 0);
  bitmap.close();
  return { pixels: context.getImageData(0, 0, width, height).data, width, height };
}

// Boxes of a tensor in px of the picture, from place `first` on.
function boxesOf(data, first, count, [x, y]) {
  const boxes = [];
  for (let at = 4 * first; at < 4 * (first + count); at += 4) boxes.push([data[at] / x, data[at + 1] / y, data[at + 2] / x, data[at + 3] / y]);
  return boxes;
}

async function detect(source) {
  const begun = performance.now();
  const picture = await pixelsOf(source);
  const input = prepared(picture, model.input);
  const ready = performance.now();
  const tensor = (data, shape) => new runtime.Tensor("float32", data, shape);
  const outputs = await session.run({ images: tensor(input.images, input.shape), sizes: tensor(input.sizes, [1, 2]) });
  const computed = performance.now();
  const numbers = (name) => (name in outputs ? Array.from(outputs[name].data, Number) : null);
  const [residuals, steps] = [numbers("residuals"), numbers("steps")];
  // an untrained detector may say more than a float32 holds
  const finite = (one) => [one.score, ...one.box].every(Number.isFinite);
  const queryOf = (query) => ({
    query,
    residual: residuals !== null && Number.isFinite(residuals[query]) ? residuals[query] : null,
    steps: steps === null ? null : steps[query],
  });
  const [scores, labels, queries] = ["scores", "labels", "queries"].map(numbers);
  const found = boxesOf(outputs.boxes.data, 0, scores.length, input.scale)
    .map((box, i) => ({ label: labels[i], score: scores[i], box, ...queryOf(queries[i]) })).filter(finite);
  const path = [];
  if ("path_boxes" in outputs) {
    const [states, , count] = outputs.path_boxes.dims;
    const [all, names] = ["path_scores", "path_labels"].map(numbers);
    for (let state = 0; state < states; state++) {
      const first = state * count;
      path.push(boxesOf(outputs.path_boxes.data, first, count, input.scale)
        .map((box, query) => ({ label: names[first + query], score: all[first + query], box, ...queryOf(query) }))
        .filter(finite).sort((a, b) => b.score - a.score));
    }
  }
  for (const output of Object.values(outputs)) output.dispose();
  return { width: picture.width, height: picture.height, found, path, milliseconds: { preparing: ready - begun, computing: computed - ready } };
}

async function answer({ id, open: opened, source }) {
  try {
    postMessage({ id, result: opened ? await open(opened.model, opened.provider) : await detect(source) });
  } catch (error) {
    postMessage({ id, problem: reasonOf(error) });
  }
}

// a session computes one picture at a time
let turn = Promise.resolve();
self.addEventListener("message", (event) => { turn = turn.then(() => answer(event.data)); });
