// The grid of images that pass the filters, in pages.

const grid = (() => {
  const told = element("p", { className: "soft", "aria-live": "polite" });
  const pictures = element("div", { className: "pictures" });
  const pagers = [element("div", { className: "pager" }), element("div", { className: "pager below" })];

  function turn(step) {
    state.page += step;
    draw();
    at("images").scrollIntoView();
  }

  function pager(node, first) {
    const pages = Math.max(1, Math.ceil(listed.length / PAGE));
    const go = (text, step, disabled) => {
      const button = element("button", { type: "button", className: "plain", disabled }, text);
      button.addEventListener("click", () => turn(step));
      return button;
    };
    node.replaceChildren(...(first ? [told] : []), ...(pages === 1 ? [] : [
      go("◀ before", -1, state.page === 0),
      element("span", {}, `page ${state.page + 1} of ${pages}`),
      go("next ▶", 1, state.page === pages - 1)]));
  }

  function draw() {
    const shown = listed.slice(state.page * PAGE, (state.page + 1) * PAGE);
    pictures.replaceChildren(...shown.map(card));
    const boxes = listed.reduce((all, image) => all + boxesOf(image).filter(wanted).length, 0);
    told.textContent = listed.length === 0 ? "No image is like that."
      : `${counted(listed.length, "image")} with ${counted(boxes, "box", "boxes")}${isChosen() ? " of the kind asked for" : ""}. Click one, or press Enter on it, to enlarge it.`;
    pager(pagers[0], true);
    pager(pagers[1], false);
  }

  // Arrow keys go from image to image.
  pictures.addEventListener("keydown", (event) => {
    const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    if (!step) return;
    const frames = [...pictures.querySelectorAll(".frame")];
    frames[frames.indexOf(event.target) + step]?.focus();
    event.preventDefault();
  });

  return {
    start() {
      at("images").append(pagers[0], pictures, pagers[1]);
      this.update();
    },
    // After a change of the filters: what passes, from its first page on.
    update() {
      listed = images.filter(passes).sort(ORDERS[state.order][1]);
      state.page = 0;
      draw();
    },
    draw,
    // The page on which an image of the list is, with the image in focus.
    showPlace(place) {
      state.page = Math.floor(place / PAGE);
      draw();
      pictures.querySelectorAll(".frame")[place % PAGE]?.focus();
    },
  };
})();
