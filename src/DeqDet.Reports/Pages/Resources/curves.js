// Precision over recall of one class or of the mean, and average precision by crowding.

const PLOT = { width: 700, height: 400, left: 48, right: 14, top: 12, bottom: 42 };

function axes(svg, { width, height, left, right, top, bottom }, across, along) {
  const x = (share) => left + share * (width - left - right);
  const y = (share) => height - bottom - share * (height - top - bottom);
  for (let i = 0; i <= 5; i++) {
    const share = i / 5;
    svg.append(
      drawn("line", { class: "grid", x1: x(0), x2: x(1), y1: y(share), y2: y(share) }),
      drawn("text", { x: left - 8, y: y(share) + 4, "text-anchor": "end" }, share.toFixed(1)));
    if (across) {
      svg.append(
        drawn("line", { class: "grid", x1: x(share), x2: x(share), y1: y(0), y2: y(1) }),
        drawn("text", { x: x(share), y: height - bottom + 18, "text-anchor": "middle" }, share.toFixed(1)));
    }
  }
  svg.append(drawn("line", { class: "axis", x1: x(0), x2: x(1), y1: y(0), y2: y(0) }));
  if (across) svg.append(drawn("text", { x: x(0.5), y: height - 6, "text-anchor": "middle" }, across));
  svg.append(drawn("text", { x: 13, y: y(0.5), "text-anchor": "middle", transform: `rotate(-90 13 ${y(0.5)})` }, along));
  return { x, y };
}

function curves({ evaluation, analysis }, onChoose) {
  const recalls = evaluation.parameters.recall_points;
  const known = new Set(analysis.precision_recall.map((curve) => curve.class));
  if (known.size === 0) {
    at("curves").append(element("p", { className: "soft" }, "There is no box to be found, so there are no curves."));
    return () => {};
  }
  const choice = element("select", { id: "curve-class" }, element("option", { value: "" }, "mean of all classes"));
  evaluation.per_class.forEach((entry, k) => {
    if (known.has(k)) choice.append(element("option", { value: k }, `${shorter(entry.name, 60)} (AP ${fixed(entry.AP)})`));
  });
  const plot = element("div", { className: "grow" });
  const legend = element("div", { className: "aside legend" });
  legend.style.flexDirection = "column";
  at("curves").append(
    element("div", { className: "controls" }, element("label", {}, "Class ", choice)),
    element("div", { className: "columns" }, plot, legend));

  function draw() {
    const k = choice.value === "" ? null : Number(choice.value);
    const lines = analysis.precision_recall.filter((curve) => curve.class === k);
    const svg = drawn("svg", { viewBox: `0 0 ${PLOT.width} ${PLOT.height}`, width: "100%", role: "img", "aria-label": "precision over recall" });
    const { x, y } = axes(svg, PLOT, "recall", "precision");
    const shades = ["var(--accent)", "var(--wrong-class)", "var(--right)"];
    const name = (line) => (line.iou === null ? "mean of all IoU thresholds" : `IoU ${line.iou.toFixed(2)}`);
    lines.forEach((line, i) => {
      const points = line.precision.map((p, r) => `${x(recalls[r]).toFixed(1)},${y(p).toFixed(1)}`).join(" ");
      if (line.iou === null) {
        svg.append(drawn("polygon", { points: `${x(0)},${y(0)} ${points} ${x(1)},${y(0)}`, fill: shades[i], opacity: 0.1 }));
      }
      svg.append(drawn("polyline", { class: "curve", points, stroke: shades[i] }));
    });
    const cross = drawn("line", { class: "cross", y1: y(0), y2: y(1), visibility: "hidden" });
    svg.append(cross);
    svg.addEventListener("pointermove", (event) => {
      const box = svg.getBoundingClientRect();
      const recall = ((event.clientX - box.left) / box.width * PLOT.width - x(0)) / (x(1) - x(0));
      if (recall < -0.02 || recall > 1.02) return;
      const r = recalls.reduce((best, value, i) => (Math.abs(value - recall) < Math.abs(recalls[best] - recall) ? i : best), 0);
      cross.setAttribute("x1", x(recalls[r]));
      cross.setAttribute("x2", x(recalls[r]));
      cross.setAttribute("visibility", "visible");
      const told = lines.map((line) => {
        const reached = line.scores?.[r] ? ` at score ${score(line.scores[r])}` : "";
        return `${name(line)}: ${line.precision[r].toFixed(3)}${reached}`;
      });
      showTip(event, [`recall ${recalls[r].toFixed(2)}`, ...told].join("\n"));
    });
    svg.addEventListener("pointerleave", () => { cross.setAttribute("visibility", "hidden"); hideTip(); });
    plot.replaceChildren(svg);
    const mean = (values) => values.reduce((sum, value) => sum + value, 0) / values.length;
    legend.replaceChildren(
      ...lines.map((line, i) =>
        element("label", {}, element("i", { style: `background:${shades[i]}` }), `${name(line)}: AP ${mean(line.precision).toFixed(3)}`)),
      element("p", {}, "Interpolated as COCO does it: the highest precision at this recall or beyond. Objects of all sizes."));
    onChoose(k);
  }
  choice.addEventListener("change", draw);
  draw();
  return (k) => { choice.value = String(k); draw(); };
}

function crowding({ errors, crowding: bins }) {
  const size = { ...PLOT, height: 312, top: 24, bottom: 58 };
  const svg = drawn("svg", { viewBox: `0 0 ${size.width} ${size.height}`, width: "100%", role: "img", "aria-label": "AP by number of objects in an image" });
  const { x, y } = axes(svg, size, null, "AP");
  const wide = (x(1) - x(0)) / bins.length;
  bins.forEach((bin, i) => {
    const left = x(0) + i * wide;
    const middle = left + wide / 2;
    const label = bin.to === null ? `${bin.from} and more` : bin.from === bin.to ? `${bin.from}` : `${bin.from}–${bin.to}`;
    const put = (value, from, to, fill) => {
      if (value < 0) return;
      svg.append(
        drawn("rect", { x: left + from * wide, width: (to - from) * wide, y: y(value), height: y(0) - y(value), fill, rx: 3 }),
        drawn("text", { class: "value", x: left + ((from + to) / 2) * wide, y: y(value) - 5, "text-anchor": "middle" }, value.toFixed(2)));
    };
    put(bin.ap_at_iou, 0.16, 0.49, "var(--accent-soft)");
    put(bin.ap, 0.51, 0.84, "var(--accent)");
    svg.append(
      drawn("text", { class: "value", x: middle, y: size.height - 38, "text-anchor": "middle" }, label),
      drawn("text", { x: middle, y: size.height - 22, "text-anchor": "middle" }, counted(bin.images, "image")),
      drawn("text", { x: middle, y: size.height - 7, "text-anchor": "middle" }, counted(bin.boxes, "object")));
  });
  at("crowding").append(
    element("p", { className: "soft" },
      "Images by their number of objects, each group evaluated by itself. A group may lack classes, so small differences mean little."),
    element("div", { className: "columns" }, element("div", { className: "grow" }, svg),
      element("div", { className: "aside legend", style: "flex-direction:column" },
        element("label", {}, element("i", { style: "background:var(--accent-soft);height:12px" }), `AP at IoU ${errors.iou.toFixed(2)}`),
        element("label", {}, element("i", { style: "background:var(--accent);height:12px" }), "AP, mean of all IoU thresholds"))));
}
