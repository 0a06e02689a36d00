// The head of the page, and the filters that the grid follows.

function overview() {
  document.title = `${counted(all.length, "detection")} in ${counted(images.length, "image")}`;
  at("title").textContent = document.title;
  at("source").textContent =
    `${data.model}, detections ${data.kept}${folder === "" ? "" : `, images of ${folder}`}` + (images.length < data.looked_at ? `; shown are ${whole(images.length)} of ${counted(data.looked_at, "image")}, spread evenly over them` : "");
  const tile = (name, value, small) => element("div", { className: "tile" }, element("span", {}, name), element("b", {}, value), element("small", {}, small));
  const empty = images.filter((image) => image.boxes.length === 0).length;
  const residuals = all.filter((box) => box.steps !== null).map(residualOf).sort((a, b) => a - b);
  const queries = images.reduce((sum, image) => sum + image.queries, 0);
  const still = images.reduce((sum, image) => sum + image.settled, 0);
  at("summary").append(element("div", { className: "tiles" },
    tile("images", whole(images.length), empty === 0 ? "something in each" : `nothing in ${whole(empty)}`),
    tile("detections", whole(all.length), images.length === 0 ? "" : `${(all.length / images.length).toFixed(1)} an image`),
    residuals.length === 0 ? null : tile("residual", small(residuals[residuals.length >> 1]), `median of the detections, ${small(residuals.at(-1) === Infinity ? null : residuals.at(-1))} at most`),
    queries === 0 || !data.tolerance ? null : tile("settled", `${Math.round((100 * still) / queries)} %`, `of all queries, within ${data.tolerance}`)));
}

function filters() {
  const buttons = data.classes.map((kind, key) => ({ kind, key, count: all.filter((box) => box.kind === key).length }))
    .filter(({ count }) => count > 0).sort((a, b) => b.count - a.count || a.key - b.key).map(({ kind, key, count }) => {
      const button = element("button", { type: "button", "aria-pressed": "false" }, element("i", { style: `background:${kind.colour}` }), kind.name, element("small", {}, whole(count)));
      button.addEventListener("click", () => {
        if (!state.classes.delete(key)) state.classes.add(key);
        button.setAttribute("aria-pressed", String(state.classes.has(key)));
        grid.update();
      });
      return button;
    });

  function select(label, key, options) {
    const node = element("select", {}, ...options.map(([value, text]) => element("option", { value }, text)));
    node.addEventListener("change", () => { state[key] = node.value; grid.update(); });
    return element("label", {}, label, node);
  }

  const scores = all.map((box) => box.score);
  const [least, most] = [Math.floor(100 * Math.min(1, ...scores)) / 100, Math.max(0, ...scores)];
  const slider = element("input", { type: "range", min: least, max: Math.max(most, least), step: 0.01, id: "score" });
  slider.value = least;
  const value = element("b", {}, least.toFixed(2));
  slider.addEventListener("input", () => {
    state.score = Number(slider.value);
    value.textContent = state.score.toFixed(2);
    grid.update();
  });
  const search = element("input", { type: "search", placeholder: "part of a name", "aria-label": "search by name" });
  search.addEventListener("input", () => { state.search = search.value.toLowerCase(); grid.update(); });
  const show = element("input", { type: "checkbox", checked: true });
  show.addEventListener("change", () => { state.boxes = show.checked; grid.draw(); });
  at("filters").append(
    element("div", { className: "row" }, element("b", {}, "class"), element("div", { className: "chips classes" }, ...buttons)),
    element("div", { className: "row" },
      element("label", {}, "from score ", slider, value),
      search,
      select("images", "shown", [["", "all"], ["some", "with detections"], ["none", "with nothing"]]),
      select("order", "order", Object.entries(ORDERS).map(([key, [text]]) => [key, text])),
      settles ? select("colour", "colour", [["class", "by class"], ["residual", "by residual"]]) : null,
      element("label", {}, show, "boxes")));
}

overview();
filters();
grid.start();
