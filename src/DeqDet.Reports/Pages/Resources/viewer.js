// One image as large as the window allows. Arrow keys go on, B and L hide boxes and labels, Escape closes.

const viewer = (() => {
  const MANY = 60; // labels of so many boxes only cover the image
  const dialog = element("dialog", { className: "viewer" });
  document.body.append(dialog);
  let place = 0;

  function labels(image, node) {
    const boxes = boxesOf(image);
    if (!state.boxes || !state.labels || boxes.length > MANY) return;
    for (const box of boxes) {
      const { colour, ink } = colourOf(box);
      const top = (100 * Math.max(0, box.y)) / image.height;
      const within = top < 3 ? " within" : "";
      const style = `left:${(100 * Math.max(0, box.x)) / image.width}%;top:${top}%;background:${colour};color:${ink}`;
      node.append(element("span", { className: "label" + within, style }, labelOf(box)));
    }
  }

  function button(text, title, action, disabled = false) {
    const node = element("button", { type: "button", className: "plain", title, disabled }, text);
    node.addEventListener("click", action);
    return node;
  }

  function draw() {
    const image = listed[place];
    const { node } = frame(image, 2.2);
    // the window less the dialog's own room and two lines of text; phones are narrow, not low
    const scale = Math.min((Math.min(innerWidth, 1400) - 50) / image.width, Math.max(200, innerHeight - 190) / image.height);
    node.style.width = Math.round(image.width * scale) + "px";
    labels(image, node);
    const boxes = boxesOf(image);
    const focused = dialog.contains(document.activeElement) ? document.activeElement.title : null;
    const kinds = [...new Set(boxes.map((box) => box.kind))].sort((a, b) => a - b);
    const legend = kinds.map((kind) => element("label", {},
      element("i", { style: `background:${data.classes[kind].colour}` }),
      `${data.classes[kind].name} ${boxes.filter((box) => box.kind === kind).length}`));
    dialog.replaceChildren(
      element("div", { className: "bar-above" },
        element("b", {}, `${caption(image)} · ${image.width} × ${image.height} · ${whole(place + 1)} of ${whole(listed.length)}`),
        button("◀", "the one before (left arrow)", () => go(-1), place === 0),
        button("▶", "the next one (right arrow)", () => go(1), place === listed.length - 1),
        button(state.boxes ? "hide boxes" : "show boxes", "B", () => toggle("boxes")),
        button(state.labels ? "hide labels" : "show labels", "L", () => toggle("labels"), boxes.length > MANY),
        button("close", "Escape", () => dialog.close())),
      node,
      element("div", { className: "legend" }, ...legend),
      ...below(image));
    dialog.setAttribute("aria-label", image.file);
    // keys reach the dialog only while the focus is in it, and its old button is gone
    if (focused !== null) {
      const buttons = [...dialog.querySelectorAll("button:enabled")];
      (buttons.find((other) => other.title === focused) ?? buttons[0]).focus();
    }
  }

  function go(step) {
    const next = place + step;
    if (next < 0 || next >= listed.length) return;
    hideTip();
    place = next;
    draw();
    dialog.querySelector(step < 0 ? "[title^='the one before']" : "[title^='the next one']").focus();
  }

  function toggle(what) {
    state[what] = !state[what];
    draw();
  }

  dialog.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const action = { ArrowLeft: () => go(-1), ArrowRight: () => go(1), b: () => toggle("boxes"), l: () => toggle("labels") }[event.key.length === 1 ? event.key.toLowerCase() : event.key];
    if (!action) return;
    event.preventDefault();
    action();
  });
  dialog.addEventListener("click", (event) => { if (event.target === dialog) dialog.close(); });
  dialog.addEventListener("close", () => {
    hideTip();
    document.body.append(at("tip"));
    dialog.replaceChildren();
    grid.showPlace(place);
  });
  addEventListener("resize", () => { if (dialog.open) draw(); });

  return {
    show(index) {
      hideTip();
      place = index;
      draw();
      dialog.showModal();
    },
  };
})();
