// The picture with its boxes, their ways, and the points of the chosen query.

const scene = (() => {
  const svg = drawn("svg", { viewBox: `0 0 ${data.width} ${data.height}`, preserveAspectRatio: "none", "aria-hidden": "true" });
  const node = element("div", { className: "frame", style: `aspect-ratio:${data.width}/${data.height}` },
    element("img", { alt: data.file, src: "data:image/webp;base64," + data.picture }), svg);
  const ways = drawn("g");
  const boxes = drawn("g");
  const points = drawn("g", { class: "points" });
  svg.append(ways, boxes, points);

  // the surest on top
  const parts = [...queries].reverse().map((query) => {
    const under = drawn("rect", { class: "under", "stroke-width": 3.6 });
    const box = drawn("rect", { class: "box", "stroke-width": 2.2 });
    const way = drawn("g", { class: "way" });
    const label = element("span", { className: "label" });
    box.addEventListener("click", () => choose(query === view.chosen ? null : query));
    box.addEventListener("pointermove", (event) => showTip(event, describe(query, nearest())));
    box.addEventListener("pointerleave", hideTip);
    boxes.append(under, box);
    ways.append(way);
    node.append(label);
    return { query, under, box, way, label, drawnTo: -1, inColour: "" };
  });

  const middle = ([left, top, right, bottom]) => [(left + right) / 2, (top + bottom) / 2];

  function stretch(query, from, to) {
    const a = boxAt(query, from);
    const b = boxAt(query, to);
    if (a === null || b === null) return null;
    const [x1, y1] = middle(a);
    const [x2, y2] = middle(b);
    return drawn("line", { x1, y1, x2, y2, stroke: colourAt(query, Math.min(LAST, Math.floor(from) + 1)).colour });
  }

  function drawWay(part) {
    const wanted = view.ways && isShown(part.query) ? view.time : -1;
    if (part.drawnTo === wanted && part.inColour === view.colour) return;
    part.drawnTo = wanted;
    part.inColour = view.colour;
    const lines = [];
    for (let from = 0; from < wanted; from++) lines.push(stretch(part.query, from, Math.min(wanted, from + 1)));
    part.way.replaceChildren(...lines.filter((line) => line !== null));
  }

  function drawBox(part, state) {
    const { query, under, box, label } = part;
    const place = isShown(query) ? boxAt(query, view.time) : null;
    const isHidden = place === null;
    under.style.display = box.style.display = isHidden ? "none" : "";
    label.hidden = isHidden || !view.labels || (!query.kept && query !== view.chosen);
    if (isHidden) return;
    // what reaches beyond the picture is drawn at its margin
    const x = [0, 2].map((i) => Math.min(data.width, Math.max(0, place[i])));
    const y = [1, 3].map((i) => Math.min(data.height, Math.max(0, place[i])));
    for (const rect of [under, box]) {
      rect.setAttribute("x", Math.min(x[0], x[1]));
      rect.setAttribute("y", Math.min(y[0], y[1]));
      rect.setAttribute("width", Math.abs(x[1] - x[0]));
      rect.setAttribute("height", Math.abs(y[1] - y[0]));
    }
    const { colour, ink } = colourAt(query, state);
    box.setAttribute("stroke", colour);
    box.classList.toggle("faint", !query.kept);
    label.textContent = `${nameOf(query, state)} ${query.scores[state] === null ? "–" : query.scores[state].toFixed(2)}`;
    label.classList.toggle("within", (100 * y[0]) / data.height < 3);
    label.setAttribute("style", `left:${(100 * x[0]) / data.width}%;top:${(100 * y[0]) / data.height}%;background:${colour};color:${ink}`);
  }

  function drawPoints(state) {
    const found = pointsAt(view.chosen, state) ?? [];
    points.replaceChildren(...found.map(({ x, y, shares }) => {
      const level = view.level ?? shares.indexOf(Math.max(...shares));
      // larger on coarser levels, within what can be seen and leaves the picture visible
      const radius = Math.max(data.width / 320, Math.min(data.width / 40, data.strides[level] / 6));
      const opacity = view.level === null ? 0.85 : Math.max(0.05, shares[level]);
      return drawn("circle", { cx: x, cy: y, r: radius, fill: LEVEL_COLOURS[level % LEVEL_COLOURS.length], opacity });
    }));
  }

  function draw() {
    const state = nearest();
    for (const part of parts) {
      drawBox(part, state);
      drawWay(part);
      for (const mark of [part.under, part.box, part.way, part.label]) mark.classList.toggle("marked", part.query === view.chosen);
    }
    node.classList.toggle("chosen", view.chosen !== null);
    drawPoints(state);
  }

  // as large as the window allows (phones are narrow, not low), and small pictures four times as large or as a hand
  function fit() {
    const most = Math.max(4, 360 / Math.max(data.width, data.height));
    const scale = Math.min(Math.max(240, innerHeight - 230) / data.height, 1180 / data.width, most);
    node.style.maxWidth = "100%";
    node.style.width = Math.round(data.width * scale) + "px";
  }

  fit();
  addEventListener("resize", fit);
  return { node, draw };
})();
