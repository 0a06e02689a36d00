// What a detector found in images: the state of the filters, and what the page's other scripts ask of an image and a box.

const data = JSON.parse(at("data").textContent);
const PAGE = 48;

// Names without the folder that all of them are in.
const folder = data.images.map((image) => image.file.slice(0, image.file.lastIndexOf("/") + 1)).reduce((common, other) => {
  while (!other.startsWith(common)) common = common.slice(0, common.lastIndexOf("/", common.length - 2) + 1);
  return common;
}, data.images.length === 0 ? "" : data.images[0].file.slice(0, data.images[0].file.lastIndexOf("/") + 1));

const images = data.images.map(({ boxes, ...image }, index) => ({
  ...image, index, file: image.file.slice(folder.length),
  boxes: boxes.map(([x, y, w, h, kind, score, residual, steps]) => ({ x, y, w, h, kind, score, residual, steps })),
}));
const all = images.flatMap((image) => image.boxes);
const settles = all.some((box) => box.steps !== null);

const state = { classes: new Set(), score: 0, shown: "", search: "", order: "file", colour: "class", boxes: true, labels: true, page: 0 };
let listed = images;

const wanted = (box) => state.classes.size === 0 || state.classes.has(box.kind);
const isChosen = () => state.classes.size > 0;
const boxesOf = (image) => image.boxes.filter((box) => box.score >= state.score);

function passes(image) {
  const boxes = boxesOf(image);
  if (state.search !== "" && !image.file.toLowerCase().includes(state.search)) return false;
  if (state.shown === "some" && boxes.length === 0) return false;
  if (state.shown === "none" && boxes.length > 0) return false;
  return state.classes.size === 0 || boxes.some(wanted);
}

// A residual that could not be measured is the worst.
const residualOf = (box) => (box.residual === null ? Infinity : box.residual);
const best = (image) => Math.max(-1, ...boxesOf(image).map((box) => box.score));
const worst = (image) => Math.max(-1, ...boxesOf(image).map(residualOf));
const down = (of) => (a, b) => (of(a) === of(b) ? a.index - b.index : of(b) - of(a));
const ORDERS = {
  file: ["order of the files", (a, b) => a.index - b.index],
  most: ["most detections first", down((image) => boxesOf(image).length)],
  best: ["surest detection first", down(best)],
  ...(settles ? { residual: ["highest residual first", down(worst)], steps: ["most steps first", down((image) => image.steps)] } : {}),
};

// From settled to moving: a residual of 0.0001 is green, of 0.1 red.
const shade = shades(1e-4, 1e-1);
const colourOf = (box) => (state.colour === "residual" ? shade(residualOf(box)) : data.classes[box.kind]);
const dashOf = () => "none";
const labelOf = (box) =>
  `${data.classes[box.kind].name} ${box.score.toFixed(2)}` + (state.colour === "residual" && box.steps !== null ? `, ${small(box.residual)}` : "");
const sizeOf = (box) => `${Math.round(box.w)} × ${Math.round(box.h)} px`;
const refined = (box) => (box.steps === null ? "" : `, residual ${small(box.residual)} after ${counted(box.steps, "step")}`);
const describe = (box) => `${data.classes[box.kind].name} ${box.score.toFixed(3)}: ${sizeOf(box)}${refined(box)}`;
const caption = (image) => image.file;

function settled(image) {
  return image.queries === 0 ? "" : `, ${counted(image.steps, "step")}` + (data.tolerance ? `, ${whole(image.settled)} of ${counted(image.queries, "query", "queries")} settled` : "");
}

function told(image) {
  const boxes = boxesOf(image);
  const found = boxes.length === 0 ? "nothing" : counted(boxes.length, "detection");
  const text = `${found}, ${image.width} × ${image.height}${settled(image)}`;
  return element("span", {}, text, ...(image.refinement ? [" · ", element("a", { href: encodeURIComponent(image.refinement) }, "step by step")] : []));
}

// The detections of an enlarged image as a table, the surest first.
function below(image) {
  const heads = ["class", "score", "size", ...(settles ? ["residual", "steps"] : [])];
  const rows = boxesOf(image).map((box) => {
    const mark = element("i", { style: `background:${colourOf(box).colour}` });
    const numbers = [box.score.toFixed(3), sizeOf(box), ...(settles ? [box.steps === null ? "–" : small(box.residual), box.steps ?? "–"] : [])];
    return element("tr", {}, element("td", {}, mark, data.classes[box.kind].name), ...numbers.map((text) => element("td", {}, String(text))));
  });
  const table = element("table", {}, element("thead", {}, element("tr", {}, ...heads.map((text) => element("th", { scope: "col" }, text)))), element("tbody", {}, ...rows));
  return [
    rows.length === 0 ? element("p", { className: "soft" }, "Nothing was found.") : element("div", { className: "scroll found" }, table),
    element("p", { className: "soft open" }, element("a", { href: encodeURIComponent(image.picture_file) }, "open the annotated picture"), " beside this page"),
    ...(image.refinement ? [element("p", { className: "soft" }, element("a", { href: encodeURIComponent(image.refinement) }, "see how it was found"), ", step by step")] : []),
  ];
}
