// The head of the page, the tiles, and the kinds of mistakes.

function summary({ source, evaluation }) {
  const { counts } = evaluation;
  document.title = `Evaluation of ${source.detections}`;
  at("source").textContent =
    `${source.detections} against ${source.ground_truth}: ${counted(counts.images, "image")}, ` +
    `${counted(counts.boxes - counts.crowds, "object")}, ${counted(counts.crowds, "crowd")}, ` +
    `${counted(counts.detections, "detection")}, ${counted(evaluation.per_class.length, "class", "classes")}`;
  const tiles = evaluation.stats.map((stat, i) =>
    element("div", { className: i === 0 ? "tile first" : "tile" },
      element("span", {}, stat.name.replace("_", " ")),
      element("b", {}, fixed(stat.value)),
      element("small", {}, `IoU ${stat.iou}`),
      element("small", {}, `${stat.area === "all" ? "all sizes" : stat.area}, ${stat.max_dets} a class`)));
  at("summary").append(element("div", { className: "tiles" }, ...tiles));
  const notes = [...evaluation.notes, ...source.notes];
  if (notes.length > 0) {
    at("summary").append(element("ul", { className: "notes" }, ...notes.map((note) => element("li", {}, note))));
  }
}

function mistakes({ errors, operating_point: point }) {
  const widest = Math.max(...errors.kinds.map((kind) => kind.gain), errors.false_positives_gain, errors.false_negatives_gain, 0.01);
  const how = point.chosen_by === "user" ? "" : ", where F1 is highest";
  const head = (text, style = "") => element("div", { className: "head number", style }, text);
  const row = (name, explanation, gain, fill, ...numbers) => [
    element("div", {}, name, element("small", {}, explanation)),
    element("div", { className: "bar" }, element("i", { style: `width:${(100 * Math.max(0, gain)) / widest}%;background:${fill}` })),
    element("div", { className: "number" }, element("b", {}, "+" + Math.max(0, gain).toFixed(3))),
    ...numbers.map((n) => element("div", { className: "number" }, n)),
  ];
  at("errors").append(
    element("p", { className: "soft" },
      `AP at IoU ${errors.iou.toFixed(2)} is ${fixed(errors.ap)}. A bar is what it would gain if that kind alone were mended ` +
      `(TIDE's dAP; the gains do not add up). Mistakes are counted among all detections and among those from score ` +
      `${score(point.score)} on${how}: precision ${fixed(point.precision)}, recall ${fixed(point.recall)}, F1 ${fixed(point.f1)}.`),
    element("div", { className: "kinds" },
      element("div", {}), element("div", {}), head("AP gained"), head("in all"), head(`from ${score(point.score)}`),
      ...errors.kinds.flatMap((kind) =>
        row(KINDS[kind.kind][0], KINDS[kind.kind][1], kind.gain, colour(kind.kind), whole(kind.count), whole(kind.count_at_score))),
      element("div", { className: "rule" }),
      ...row("all that is wrong", "no false positive ahead of a right one", errors.false_positives_gain, "var(--soft)", "", whole(point.wrong)),
      ...row("all not found", "every object found, at the same precision", errors.false_negatives_gain, "var(--soft)", "", whole(point.unfound))));
}
