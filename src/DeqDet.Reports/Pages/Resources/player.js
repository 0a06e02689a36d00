// The slider over the states, the button that plays them, and what runs the page.

const player = (() => {
  const STEP = 420; // ms from one state to the next
  const isCalm = matchMedia("(prefers-reduced-motion: reduce)");
  const slider = element("input", { type: "range", id: "state", min: 0, max: LAST, step: 1, value: 0, "aria-label": "state of the refinement" });
  const output = element("output", {}, "");
  output.htmlFor = "state";
  const button = element("button", { type: "button", className: "plain", id: "play", title: "space" }, "▶ play");
  let timer = null;
  let started = 0;
  let from = 0;

  const isPlaying = () => timer !== null;
  const ease = (share) => share * share * (3 - 2 * share);

  function stop() {
    cancelAnimationFrame(timer);
    timer = null;
    view.time = nearest();
    update();
  }

  function frame(now) {
    const passed = from + (now - started) / STEP;
    if (passed >= LAST) {
      view.time = LAST;
      return stop();
    }
    const whole = Math.floor(passed);
    view.time = isCalm.matches ? whole : whole + ease(passed - whole);
    update();
    timer = requestAnimationFrame(frame);
  }

  function play() {
    if (isPlaying()) return stop();
    if (LAST === 0) return;
    from = view.time >= LAST ? 0 : view.time;
    started = performance.now();
    timer = requestAnimationFrame(frame);
    update();
  }

  function go(state) {
    if (isPlaying()) stop();
    view.time = Math.min(LAST, Math.max(0, state));
    update();
  }

  slider.addEventListener("input", () => go(Number(slider.value)));
  button.addEventListener("click", play);
  addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.key === "Escape") return choose(null);
    if (event.target.closest("input, select, button, a, .scroll")) return;
    const action = { " ": play, ArrowLeft: () => go(nearest() - 1), ArrowRight: () => go(nearest() + 1), Home: () => go(0), End: () => go(LAST) }[event.key];
    if (!action) return;
    event.preventDefault();
    action();
  });

  function toggle(name, text) {
    const box = element("input", { type: "checkbox", checked: view[name] });
    box.addEventListener("change", () => {
      view[name] = box.checked;
      update();
    });
    return element("label", {}, box, text);
  }

  const colour = element("select", {}, element("option", { value: "residual" }, "residual"), element("option", { value: "class" }, "class"));
  const scale = element("span", { className: "scale" }, "moving", element("b", {}, String(data.moving)), element("i"), element("b", {}, String(data.settled)), "settled");
  colour.addEventListener("change", () => {
    view.colour = colour.value;
    scale.hidden = view.colour === "class";
    update();
  });
  at("player").append(scene.node,
    element("div", { className: "row drive" }, button, slider, output),
    element("div", { className: "row" }, toggle("ways", "ways of the centres"), toggle("labels", "labels"), element("label", {}, "colour by", colour), scale));

  return {
    go,
    draw() {
      slider.value = nearest();
      slider.setAttribute("aria-valuetext", words(nearest()));
      output.textContent = words(nearest());
      button.textContent = isPlaying() ? "❚❚ pause" : "▶ play";
    },
  };
})();

function update() {
  hideTip();
  for (const part of [player, scene, looks, paths]) part.draw();
}

function choose(query) {
  view.chosen = query;
  view.level = null;
  update();
}

(() => {
  const file = data.file.slice(data.file.lastIndexOf("/") + 1);
  document.title = `${file}, step by step`;
  at("title").textContent = file;
  const way = data.equilibrium ? `the init head, then ${counted(LAST, "application")} of the refinement head` : counted(LAST + 1, "stage");
  const link = (name, text) => element("a", { href: encodeURIComponent(name) }, text);
  at("source").append(`${data.model}: ${way}; ${data.width} × ${data.height} px · `, link(data.gallery, "all images"),
    ...(data.animation ? [" · ", link(data.animation, "moving picture")] : []));
  // what was read out is seen first; play begins anew
  view.time = LAST;
  update();
})();
