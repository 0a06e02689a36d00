// The table of classes and the confusion matrix.

function classes({ evaluation, analysis }, onChoose) {
  const point = analysis.operating_point;
  const wrong = Object.keys(KINDS).filter((kind) => kind !== "missed");
  const names = Object.keys(evaluation.per_class[0] ?? {}).filter((key) => /^A[PR]/.test(key));
  const columns = [
    { title: "class", text: true, of: (row) => row.entry.name },
    { title: "boxes", of: (row) => row.entry.boxes },
    ...names.filter((name) => name.startsWith("AP") || name === names.findLast((other) => /^AR\d/.test(other))).map((name) => ({
      title: name.replace("_", " "), ap: true, bar: name === "AP", of: (row) => row.entry[name],
    })),
    { title: "right", tip: "right detections", of: (row) => row.at.right },
    ...wrong.map((kind) => ({ title: KINDS[kind][0], tip: KINDS[kind][1], of: (row) => row.at.wrong[kind] })),
    { title: "not found", tip: "objects not found", of: (row) => row.at.unfound },
  ];
  const rows = evaluation.per_class.map((entry, k) => ({ k, entry, at: analysis.classes[k] }));
  for (const row of rows) {
    row.node = element("tr", {}, ...columns.map((column) => {
      const value = column.of(row);
      const shown = column.text ? value : column.ap ? fixed(value) : whole(value);
      const none = column.ap ? value < 0 : value === 0;
      const cell = element("td", { className: none ? "none" : column.bar ? "share" : "" }, shown);
      if (column.text) cell.title = value;
      if (column.bar) cell.style.setProperty("--width", Math.max(0, value) * 100 + "%");
      return cell;
    }));
    press(row.node, () => onChoose(row.k));
  }
  const body = element("tbody");
  const heads = columns.map((column) => {
    const button = element("button", { type: "button" }, column.title);
    const head = element("th", { title: column.tip ?? "" }, button);
    head.scope = "col";
    button.addEventListener("click", () => sort(column, head));
    return head;
  });

  function sort(column, head) {
    const descending = head.getAttribute("aria-sort") ? head.getAttribute("aria-sort") === "ascending" : !column.text;
    heads.forEach((other) => other.removeAttribute("aria-sort"));
    head.setAttribute("aria-sort", descending ? "descending" : "ascending");
    const compare = (a, b) => (column.text ? (column.of(a) < column.of(b) ? -1 : 1) : column.of(a) - column.of(b)) || a.k - b.k;
    body.append(...rows.toSorted((a, b) => (descending ? compare(b, a) : compare(a, b))).map((row) => row.node));
  }

  const filter = element("input", { type: "search", placeholder: "find a class" });
  filter.addEventListener("input", () => {
    const wanted = filter.value.toLowerCase();
    rows.forEach((row) => { row.node.hidden = !row.entry.name.toLowerCase().includes(wanted); });
  });
  body.append(...rows.map((row) => row.node));
  at("classes").append(
    element("p", { className: "soft" },
      `Click a heading to sort, a row to see its curves. The counts are of detections from score ${score(point.score)} on, at IoU ${analysis.errors.iou.toFixed(2)}.`),
    rows.length > 12 ? element("div", { className: "controls" }, filter) : null ?? "",
    element("div", { className: "scroll" }, element("table", {}, element("thead", {}, element("tr", {}, ...heads)), body)));
  return (k) => rows.forEach((row) => row.node.classList.toggle("chosen", row.k === k));
}

const MOST_CLASSES = 100;

function confusion({ evaluation, analysis }) {
  const { cells, background, score: from, iou } = analysis.confusion;
  const name = (k) => (k === background ? "background" : evaluation.per_class[k].name);
  const row = new Map();
  const weight = new Map();
  for (const [truth, found, count] of cells) {
    row.set(truth, (row.get(truth) ?? 0) + count);
    for (const k of [truth, found]) weight.set(k, (weight.get(k) ?? 0) + count);
  }
  // The classes that occur, and of many those that occur most.
  const all = [...Array(background).keys()].filter((k) => weight.has(k));
  const shown = all.toSorted((a, b) => weight.get(b) - weight.get(a)).slice(0, MOST_CLASSES).sort((a, b) => a - b);
  shown.push(background);
  const place = new Map(shown.map((k, i) => [k, i]));
  const cell = Math.max(11, Math.min(80, Math.floor(620 / shown.length)));
  const font = Math.max(9, Math.min(13, cell - 1));
  const margin = Math.min(190, 14 + font * 0.6 * Math.max(...shown.map((k) => Math.min(22, name(k).length))));
  const size = margin + cell * shown.length;
  const svg = drawn("svg", { viewBox: `0 0 ${size + 2} ${size + 20}`, width: size + 2, height: size + 20, role: "img", "aria-label": "confusion matrix" });
  svg.append(
    drawn("rect", { x: margin, y: margin + 18, width: cell * shown.length, height: cell * shown.length, fill: "var(--grid)", opacity: 0.55 }),
    drawn("text", { x: margin + (cell * shown.length) / 2, y: 11, "text-anchor": "middle" }, "detected as"));
  shown.forEach((k, i) => {
    const middle = margin + (i + 0.5) * cell;
    const text = shorter(name(k), 22);
    svg.append(
      drawn("text", { x: margin - 6, y: middle + 18 + font * 0.35, "text-anchor": "end", style: `font-size:${font}px` }, text),
      drawn("text", { transform: `translate(${middle + font * 0.35} ${margin + 12}) rotate(-90)`, style: `font-size:${font}px` }, text));
  });
  for (const [truth, found, count] of cells) {
    if (!place.has(truth) || !place.has(found)) continue;
    const share = count / row.get(truth);
    const fill = truth === found ? "var(--right)" : truth === background || found === background ? "var(--ignored)" : "var(--background)";
    const [x, y] = [margin + place.get(found) * cell, margin + 18 + place.get(truth) * cell];
    const node = drawn("rect", { class: "cell", x: x + 0.5, y: y + 0.5, width: cell - 1, height: cell - 1, rx: 2, fill, opacity: 0.3 + 0.7 * Math.sqrt(share) });
    const what = truth === background ? `${counted(count, "detection")} of ${name(found)} on nothing`
      : found === background ? `${counted(count, "object")} of ${name(truth)} not found`
      : truth === found ? `${whole(count)} of ${name(truth)} found` : `${whole(count)} of ${name(truth)} taken for ${name(found)}`;
    node.addEventListener("pointermove", (event) => showTip(event, `${what}\n${(100 * share).toFixed(1)} % of the row`));
    node.addEventListener("pointerleave", hideTip);
    svg.append(node);
    if (cell >= 30) {
      const text = drawn("text", { class: "value", x: x + cell / 2, y: y + cell / 2 + 4, "text-anchor": "middle", "pointer-events": "none" }, whole(count));
      svg.append(text);
    }
  }
  const pairs = cells.filter(([truth, found]) => truth !== found && truth !== background && found !== background)
    .toSorted((a, b) => b[2] - a[2]).slice(0, 12);
  const left = all.length + 1 - shown.length;
  at("confusion").append(
    element("p", { className: "soft" },
      `Rows are objects, columns are detections from score ${score(from)} on; a detection is on an object from IoU ${iou.toFixed(2)}. ` +
      "The diagonal is what was found, the last column objects that were not, the last row detections on nothing. A cell is as strong as its share of its row." +
      (left > 0 ? ` ${counted(left, "class", "classes")} that occur least are not drawn.` : "")),
    element("div", { className: "columns" },
      element("div", { className: "heat", style: "flex:0 1 auto;min-width:0" }, svg),
      element("div", { className: "aside" },
        element("h3", {}, pairs.length > 0 ? "Most often taken for another" : "No class is taken for another"),
        element("ul", { className: "pairs" }, ...pairs.map(([truth, found, count]) =>
          element("li", {}, element("span", {}, `${name(truth)} → ${name(found)}`), element("b", {}, whole(count))))))));
}
