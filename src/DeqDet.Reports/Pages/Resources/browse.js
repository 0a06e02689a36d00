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

// The picture with its boxes; a box that is not asked for is faint. What is pointed at is told.
function frame(image, stroke) {
  const svg = drawn("svg", { viewBox: `0 0 ${image.width} ${image.height}`, preserveAspectRatio: "none" });
  const node = element("div", { className: "frame", style: `aspect-ratio:${image.width}/${image.height}` });
  if (image.picture) node.append(element("img", { alt: "", src: "data:image/webp;base64," + image.picture }));
  node.append(svg);
  // large ones first, so that small ones lie over them and can be pointed at
  const boxes = [...image.boxes].sort((a, b) => b.w * b.h - a.w * a.h);
  function draw() {
    svg.replaceChildren(...(state.boxes ? boxes : []).flatMap((box) => {
      const faint = wanted(box) ? "" : " faint";
      const place = { x: box.x, y: box.y, width: box.w, height: box.h };
      const dash = box.state === KEPT ? "none" : "5 4";
      return [
        drawn("rect", { ...place, class: "under" + faint, "stroke-width": stroke + 1.4 }),
        drawn("rect", { ...place, class: "box" + faint, stroke: data.classes[box.kind].colour, "stroke-width": stroke, "stroke-dasharray": dash }),
      ];
    }));
  }
  const unmark = () => svg.querySelectorAll(".hover").forEach((rect) => rect.classList.remove("hover"));
  svg.addEventListener("pointermove", (event) => {
    const area = svg.getBoundingClientRect();
    const x = ((event.clientX - area.left) / area.width) * image.width;
    const y = ((event.clientY - area.top) / area.height) * image.height;
    const hit = state.boxes ? boxes.filter((box) => x >= box.x && y >= box.y && x <= box.x + box.w && y <= box.y + box.h).reverse() : [];
    unmark();
    if (hit.length === 0) return hideTip();
    svg.querySelectorAll(".box")[boxes.indexOf(hit[0])].classList.add("hover");
    const more = hit.length > 6 ? `\nand ${hit.length - 6} more` : "";
    showTip(event, hit.slice(0, 6).map(describe).join("\n") + more);
  });
  svg.addEventListener("pointerleave", () => { hideTip(); unmark(); });
  draw();
  return { node, draw };
}

function card(image) {
  const { node } = frame(image, 1.6);
  const open = () => viewer.show(listed.indexOf(image));
  press(node, open);
  node.addEventListener("keydown", (event) => {
    if (event.key !== " ") return;
    event.preventDefault();
    open();
  });
  node.setAttribute("role", "button");
  node.setAttribute("aria-label", `enlarge ${image.file}`);
  const marks = image.remarks.length === 0 ? null
    : element("span", { className: "mark", title: image.remarks.map(([, text]) => text).join("\n") }, ` ⚑ ${counted(image.remarks.length, "remark")}`);
  const ratio = Math.max(0.5, Math.min(2.5, image.width / image.height));
  const told = element("span", {}, `${data.parts[image.part].name}, ${image.width} × ${image.height}, ${counted(image.objects, "object")}`, marks);
  return element("figure", { style: `--ratio:${ratio}` }, node, element("figcaption", {}, element("b", { title: image.file }, image.file), told));
}
