// The images of a data set: filters, a grid in pages, and one image at a time.

const data = JSON.parse(at("data").textContent);
const PAGE = 48;
const SIZES = ["small", "medium", "large"];
const CROWDING = [[0, 0], [1, 1], [2, 4], [5, 9], [10, 19], [20, Infinity]];
const KEPT = 0, CROWD = 1, IGNORED = 2;

const images = data.images.map(({ boxes, ...image }, index) => ({
  ...image, index,
  boxes: boxes.map(([x, y, w, h, kind, size, state]) => ({ x, y, w, h, kind, size, state })),
}));
for (const image of images) image.objects = image.boxes.filter((box) => box.state !== CROWD).length;

const state = { classes: new Set(), sizes: new Set(), part: "", crowding: "", remark: "", search: "", order: "file", boxes: true, labels: true, page: 0 };
let listed = images;

const withIn = ([low, high], n) => n >= low && n <= high;
const range = ([low, high]) => (high === Infinity ? `${low} or more` : low === high ? String(low) : `${low} to ${high}`);

// A box that is asked for: of a chosen class, and of a chosen size.
const wanted = (box) =>
  (state.classes.size === 0 || state.classes.has(box.kind)) && (state.sizes.size === 0 || (state.sizes.has(box.size) && box.state !== CROWD));

function passes(image) {
  if (state.part !== "" && image.part !== Number(state.part)) return false;
  if (state.crowding !== "" && !withIn(CROWDING[Number(state.crowding)], image.objects)) return false;
  if (state.remark === "any" && image.remarks.length === 0) return false;
  if (state.remark !== "" && state.remark !== "any" && !image.remarks.some(([kind]) => kind === Number(state.remark))) return false;
  if (state.search !== "" && !image.file.toLowerCase().includes(state.search)) return false;
  return (state.classes.size === 0 && state.sizes.size === 0) || image.boxes.some(wanted);
}

const smallest = (image) => Math.min(Infinity, ...image.boxes.map((box) => box.w * box.h));
const ORDERS = {
  file: ["order of the files", (a, b) => a.index - b.index],
  name: ["name", (a, b) => (a.file < b.file ? -1 : a.file > b.file ? 1 : a.index - b.index)],
  most: ["most objects first", (a, b) => b.objects - a.objects || a.index - b.index],
  fewest: ["fewest objects first", (a, b) => a.objects - b.objects || a.index - b.index],
  smallest: ["smallest object first", (a, b) => (smallest(a) === smallest(b) ? a.index - b.index : smallest(a) - smallest(b))],
};

const sizeOf = (box) => `${Math.round(box.w)} × ${Math.round(box.h)} px`;
const STATES = ["", ", a crowd", ", ignored"];
const describe = (box) => `${data.classes[box.kind].name}: ${sizeOf(box)}, ${SIZES[box.size]}${STATES[box.state]}`;

// What the page's other scripts ask of an image and a box.
const isChosen = () => state.classes.size + state.sizes.size > 0;
const boxesOf = (image) => image.boxes;
const colourOf = (box) => data.classes[box.kind];
const labelOf = (box) => data.classes[box.kind].name;
const dashOf = (box) => (box.state === KEPT ? "none" : "5 4");
const caption = (image) => `${image.file} · ${data.parts[image.part].name}`;
const below = (image) => [element("ul", {}, ...image.remarks.map(([, text]) => element("li", {}, text)))];

function told(image) {
  const marks = image.remarks.length === 0 ? null
    : element("span", { className: "mark", title: image.remarks.map(([, text]) => text).join("\n") }, ` ⚑ ${counted(image.remarks.length, "remark")}`);
  return element("span", {}, `${data.parts[image.part].name}, ${image.width} × ${image.height}, ${counted(image.objects, "object")}`, marks);
}
