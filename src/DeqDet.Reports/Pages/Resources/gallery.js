// The worst images: boxes drawn over pictures (or over an empty frame), at a score that can be moved.

const VERDICTS = {
  right: "right", wrong_class: "wrong class", badly_placed: "badly placed", both: "both wrong", duplicate: "duplicate",
  background: "background", ignored: "ignored",
};
// On pictures the bright shades serve in either colour scheme.
const SHADES = {
  right: "#3ddc84", wrong_class: "#ff9f43", badly_placed: "#f5d547", both: "#b79bff", duplicate: "#4dd0e8",
  background: "#ff5c6f", ignored: "#b5bdc7", found: "#ffffff", unfound: "#ff6fc5", crowd: "#b5bdc7",
};

function overlap(a, b) {
  const width = Math.min(a.x + a.w, b.x + b.w) - Math.max(a.x, b.x);
  const height = Math.min(a.y + a.h, b.y + b.h) - Math.max(a.y, b.y);
  if (width <= 0 || height <= 0) return 0;
  return (width * height) / (a.w * a.h + b.w * b.h - width * height);
}

function read(image) {
  const boxes = image.boxes.map(([x, y, w, h, kind, crowd, foundBy]) => ({ x, y, w, h, kind, crowd, foundBy }));
  const found = image.found.map(([x, y, w, h, kind, score, verdict, target]) => ({ x, y, w, h, kind, score, verdict, target }));
  const extent = (side, of) => side || Math.max(1, ...[...boxes, ...found].map(of));
  return {
    ...image, boxes, found,
    width: extent(image.width, (box) => box.x + box.w),
    height: extent(image.height, (box) => box.y + box.h),
  };
}

function gallery({ gallery: list, evaluation, analysis }) {
  const point = analysis.operating_point;
  const images = list.map(read);
  const name = (k) => evaluation.per_class[k]?.name ?? "object";
  const scores = images.flatMap((image) => image.found.map((box) => box.score));
  const state = { truth: true, found: true, mistakes: false, score: point.score, kind: null };
  const section = at("gallery");
  section.append(element("p", { className: "soft" },
    `Ordered by the number of mistakes: wrong detections and objects not found, counted from score ${score(point.score)} on at IoU ` +
    `${analysis.errors.iou.toFixed(2)}; of equals the image with the larger share of mistakes comes first. ` +
    (images.length === 0 ? "No image has a mistake." : "Point at a box to see what it is, click an image to enlarge it.")));
  if (images.length === 0) return;

  function status(image, box) {
    if (box.verdict !== undefined) return box.verdict;
    if (box.crowd) return "crowd";
    return box.foundBy >= 0 && image.found[box.foundBy].score >= state.score ? "found" : "unfound";
  }

  function visible(image) {
    const found = state.found ? image.found.filter((box) => box.score >= state.score) : [];
    const boxes = state.truth ? image.boxes : [];
    const calm = ["right", "found", "ignored", "crowd"];
    // Objects over detections: a dashed line leaves the one below visible.
    return [...found, ...boxes].filter((box) => !state.mistakes || !calm.includes(status(image, box)));
  }

  function describe(image, box) {
    if (box.verdict === undefined) {
      const what = { crowd: "a crowd", found: "an object that is found", unfound: "an object that is not found" }[status(image, box)];
      return `${name(box.kind)}: ${what}`;
    }
    const target = box.target >= 0 ? image.boxes[box.target] : null;
    const near = target && !target.crowd
      ? `, IoU ${overlap(box, target).toFixed(2)} with ${target.kind === box.kind ? "its object" : `an object of ${name(target.kind)}`}` : "";
    return `${name(box.kind)} ${score(box.score)}: ${VERDICTS[box.verdict]}${near}`;
  }

  function rectangles(image, box) {
    const place = { x: box.x, y: box.y, width: box.w, height: box.h };
    const what = status(image, box);
    const truth = box.verdict === undefined;
    const strong = what === "unfound" || !["right", "found", "ignored", "crowd"].includes(what);
    const width = strong ? 2.4 : 1.5;
    return [
      drawn("rect", { ...place, class: "under", "stroke-width": width + 1.4 }),
      drawn("rect", { ...place, stroke: SHADES[what], "stroke-width": width, "stroke-dasharray": truth ? (what === "crowd" ? "2 5" : "6 4") : "none" }),
    ];
  }

  function frame(image, onClick) {
    const svg = drawn("svg", { viewBox: `0 0 ${image.width} ${image.height}`, preserveAspectRatio: "none" });
    const node = element("div", { className: "frame", style: `aspect-ratio:${image.width}/${image.height}` });
    if (image.picture) node.append(element("img", { alt: "", src: "data:image/jpeg;base64," + image.picture }));
    node.append(svg);
    let shown = [];
    function draw() {
      shown = visible(image);
      svg.replaceChildren(...shown.flatMap((box) => rectangles(image, box)));
    }
    svg.addEventListener("pointermove", (event) => {
      const area = svg.getBoundingClientRect();
      const x = ((event.clientX - area.left) / area.width) * image.width;
      const y = ((event.clientY - area.top) / area.height) * image.height;
      const size = (box) => box.w * box.h;
      const hit = shown.filter((box) => x >= box.x && y >= box.y && x <= box.x + box.w && y <= box.y + box.h).sort((a, b) => size(a) - size(b));
      shown.forEach((box, i) => svg.children[2 * i + 1].classList.toggle("hover", box === hit[0]));
      if (hit.length === 0) return hideTip();
      const more = hit.length > 6 ? `\nand ${hit.length - 6} more` : "";
      showTip(event, hit.slice(0, 6).map((box) => describe(image, box)).join("\n") + more);
    });
    svg.addEventListener("pointerleave", () => {
      hideTip();
      shown.forEach((_, i) => svg.children[2 * i + 1].classList.remove("hover"));
    });
    if (onClick) press(node, onClick);
    draw();
    return { node, draw };
  }

  const dialog = element("dialog");
  dialog.addEventListener("click", () => { hideTip(); dialog.close(); });
  dialog.addEventListener("close", () => { document.body.append(at("tip")); dialog.replaceChildren(); });
  function enlarge(image) {
    const { node } = frame(image, null);
    const scale = Math.min((innerWidth - 60) / image.width, (innerHeight - 90) / image.height);
    node.style.width = image.width * scale + "px";
    dialog.replaceChildren(node, element("figcaption", {}, element("b", {}, title(image))));
    dialog.showModal();
  }

  const title = (image) => image.file || `image ${image.id}`;
  const cards = images.map((image) => {
    const view = frame(image, () => enlarge(image));
    const told = element("span");
    // Rows of equal height: a card's share of a row is its image's ratio of sides.
    const ratio = Math.max(0.5, Math.min(2.5, image.width / image.height));
    const node = element("figure", { style: `--ratio:${ratio}` }, view.node, element("figcaption", {}, element("b", {}, title(image)), told));
    return { image, view, told, node };
  });

  const kinds = ["right", ...Object.keys(KINDS).filter((kind) => kind !== "missed"), "unfound"];
  const chips = new Map(kinds.map((kind) => {
    const label = kind === "unfound" ? "not found" : VERDICTS[kind];
    const button = element("button", { type: "button", "aria-pressed": "false" }, element("i", { style: `background:${SHADES[kind]}` }), label);
    button.title = kind === "right" ? "" : "show only images that have such a mistake";
    button.disabled = kind === "right";
    button.addEventListener("click", () => { state.kind = state.kind === kind ? null : kind; update(); });
    return [kind, button];
  }));

  function update() {
    for (const { image, view, told, node } of cards) {
      view.draw();
      const found = image.found.filter((box) => box.score >= state.score);
      const wrong = found.filter((box) => !["right", "ignored"].includes(box.verdict));
      const unfound = image.boxes.filter((box) => status(image, box) === "unfound");
      told.textContent = `${whole(wrong.length)} wrong, ${whole(unfound.length)} not found, ${whole(found.filter((box) => box.verdict === "right").length)} right`;
      const has = state.kind === "unfound" ? unfound.length > 0 : wrong.some((box) => box.verdict === state.kind);
      node.hidden = state.kind !== null && !has;
    }
    chips.forEach((button, kind) => button.setAttribute("aria-pressed", String(kind === state.kind)));
    value.textContent = score(state.score);
  }

  const toggle = (key, text) => {
    const box = element("input", { type: "checkbox", checked: state[key] });
    box.addEventListener("change", () => { state[key] = box.checked; update(); });
    return element("label", {}, box, text);
  };
  const [least, most] = [Math.min(point.score, ...scores), Math.max(point.score, ...scores)];
  const slider = element("input", { type: "range", min: least, max: most, step: (most - least) / 200 || 1, id: "score" });
  slider.value = point.score;
  const value = element("b");
  slider.addEventListener("input", () => { state.score = Number(slider.value); update(); });
  section.append(
    element("div", { className: "controls" },
      toggle("truth", "objects (dashed)"), toggle("found", "detections"), toggle("mistakes", "mistakes only"),
      element("label", {}, "from score ", slider, value)),
    element("div", { className: "chips" }, ...chips.values()),
    element("div", { className: "pictures" }, ...cards.map((card) => card.node)),
    dialog);
  update();
}
