// The head of the page, and the filters that the grid follows.

function overview() {
  const { parts, classes } = data;
  const sum = (list, of) => list.reduce((all, entry) => all + of(entry), 0);
  const total = { images: sum(parts, (part) => part.images), boxes: sum(parts, (part) => part.boxes) };
  document.title = `${data.name}: ${counted(total.images, "image")}`;
  at("title").textContent = data.name;
  at("source").textContent =
    `${counted(total.images, "image")} in ${counted(parts.length, "part")}, ${counted(total.boxes, "box", "boxes")} of ${counted(classes.length, "class", "classes")}` +
    (images.length < total.images ? `; shown are ${whole(images.length)}, spread evenly over each part` : "");
  const tile = (name, value, ...small) =>
    element("div", { className: "tile" }, element("span", {}, name), element("b", {}, value), ...small.map((text) => element("small", {}, text)));
  at("summary").append(element("div", { className: "tiles" },
    ...parts.map((part) => tile(part.name, whole(part.images), `${counted(part.boxes, "box", "boxes")}, ${counted(part.empty, "image")} without`)),
    tile("objects an image", fixed(total.images === 0 ? null : total.boxes / total.images, 1), `${whole(data.most_objects)} at most`)));
  if (data.notes.length > 0) {
    const list = element("ul", {}, ...data.notes.map((note) => element("li", {}, note)));
    at("summary").append(element("details", { open: data.notes.length <= 4 }, element("summary", {}, counted(data.notes.length, "remark on the data", "remarks on the data")), list));
  }
  const widest = Math.max(1, ...classes.map((kind) => kind.boxes));
  const rows = classes.map((kind, i) => ({ ...kind, i })).sort((a, b) => b.boxes - a.boxes || a.i - b.i).flatMap((kind) => [
    element("div", { className: "name", title: kind.name }, kind.name),
    element("div", { className: "bar" }, element("i", { style: `width:${(100 * kind.boxes) / widest}%;background:${kind.colour}` })),
    element("div", { className: "number" }, whole(kind.boxes)),
    element("div", { className: "number soft" }, counted(kind.images, "image")),
  ]);
  at("summary").append(element("details", { open: classes.length <= 8 }, element("summary", {}, "Boxes by class"), element("div", { className: "bars" }, ...rows)));
}

function filters() {
  function chips(entries, chosen) {
    const buttons = entries.map(({ key, name, count, colour }) => {
      const swatch = colour ? element("i", { style: `background:${colour}` }) : null;
      const button = element("button", { type: "button", "aria-pressed": "false" }, swatch, name, element("small", {}, whole(count)));
      button.addEventListener("click", () => {
        if (!chosen.delete(key)) chosen.add(key);
        button.setAttribute("aria-pressed", String(chosen.has(key)));
        grid.update();
      });
      return button;
    });
    return element("div", { className: "chips" }, ...buttons);
  }

  function select(label, key, options) {
    const node = element("select", {}, ...options.map(([value, text]) => element("option", { value }, text)));
    node.addEventListener("change", () => { state[key] = node.value; grid.update(); });
    return element("label", {}, label, node);
  }

  const boxes = images.flatMap((image) => image.boxes);
  const ofClass = data.classes.map((kind, key) => ({ key, name: kind.name, colour: kind.colour, count: boxes.filter((box) => box.kind === key).length }))
    .sort((a, b) => b.count - a.count || a.key - b.key);
  const ofSize = SIZES.map((name, key) => ({ key, name, count: boxes.filter((box) => box.size === key && box.state !== CROWD).length }));
  const crowding = CROWDING.map((bounds, i) => [i, bounds, images.filter((image) => withIn(bounds, image.objects)).length]).filter(([, , count]) => count > 0);
  const remarks = data.remarks.map((text, i) => [i, text, images.filter((image) => image.remarks.some(([kind]) => kind === i)).length]).filter(([, , count]) => count > 0);
  const search = element("input", { type: "search", placeholder: "part of a name", "aria-label": "search by name" });
  search.addEventListener("input", () => { state.search = search.value.toLowerCase(); grid.update(); });
  const show = element("input", { type: "checkbox", checked: true });
  show.addEventListener("change", () => { state.boxes = show.checked; grid.draw(); });
  const classes = chips(ofClass, state.classes);
  classes.classList.add("classes");
  at("filters").append(
    element("div", { className: "row" }, element("b", {}, "class"), classes),
    element("div", { className: "row" }, element("b", {}, "size of object"), chips(ofSize, state.sizes)),
    element("div", { className: "row" },
      search,
      data.parts.length > 1 ? select("part", "part", [["", "all"], ...data.parts.map((part, i) => [i, part.name])]) : null,
      select("objects", "crowding", [["", "any number"], ...crowding.map(([i, bounds, count]) => [i, `${range(bounds)} (${counted(count, "image")})`])]),
      remarks.length > 0 ? select("remarks", "remark", [["", "with or without"], ["any", "with any"], ...remarks.map(([i, text, count]) => [i, `${text} (${whole(count)})`])]) : null,
      select("order", "order", Object.entries(ORDERS).map(([key, [text]]) => [key, text])),
      element("label", {}, show, "boxes")));
}

overview();
filters();
grid.start();
