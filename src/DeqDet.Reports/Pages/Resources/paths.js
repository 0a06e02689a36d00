// Residuals and scores of the queries by step.

const paths = (() => {
  const WIDTH = 560;
  const HEIGHT = 210;
  const EDGE = { left: 54, right: 12, top: 10, bottom: 30 };
  const across = (state) => EDGE.left + (LAST === 0 ? 0 : (state / LAST) * (WIDTH - EDGE.left - EDGE.right));
  const charts = [];

  function chart(title, about, values, ticks, up, limit) {
    const svg = drawn("svg", { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, role: "img", "aria-label": title });
    for (const [value, text] of ticks) {
      svg.append(drawn("line", { class: "grid", x1: EDGE.left, x2: WIDTH - EDGE.right, y1: up(value), y2: up(value) }),
        drawn("text", { x: EDGE.left - 6, y: up(value) + 4, "text-anchor": "end" }, text));
    }
    const every = Math.max(1, Math.ceil(LAST / 8));
    for (let state = 0; state <= LAST; state += every) {
      svg.append(drawn("text", { x: across(state), y: HEIGHT - 10, "text-anchor": "middle" }, data.equilibrium ? (state === 0 ? "init" : String(state)) : String(state + 1)));
    }
    if (limit !== null) svg.append(drawn("line", { class: "limit", x1: EDGE.left, x2: WIDTH - EDGE.right, y1: up(limit), y2: up(limit) }));
    const lines = queries.map((query) => {
      const line = drawn("path", { class: "curve", stroke: data.classes[query.labels[LAST]].colour, d: way(values(query), up) });
      svg.append(line);
      return { query, line };
    });
    const now = drawn("line", { class: "now", y1: EDGE.top, y2: HEIGHT - EDGE.bottom });
    svg.append(now);
    svg.addEventListener("pointerdown", (event) => drag(event, svg));
    svg.addEventListener("pointermove", (event) => { if (event.buttons === 1) drag(event, svg); });
    charts.push({ svg, lines, now });
    return element("div", {}, element("h3", {}, title), svg, element("p", { className: "soft" }, about));
  }

  // A line that breaks where a number is missing.
  function way(numbers, up) {
    let text = "";
    let isDown = false;
    numbers.forEach((number, state) => {
      if (number !== null) text += `${isDown ? "L" : "M"}${across(state).toFixed(1)} ${up(number).toFixed(1)}`;
      isDown = number !== null;
    });
    return text;
  }

  function drag(event, svg) {
    const area = svg.getBoundingClientRect();
    const x = ((event.clientX - area.left) / area.width) * WIDTH;
    const share = (x - EDGE.left) / (WIDTH - EDGE.left - EDGE.right);
    player.go(Math.round(Math.min(1, Math.max(0, share)) * LAST));
  }

  const room = HEIGHT - EDGE.top - EDGE.bottom;
  const [low, high] = [-4, 1];
  const logarithm = (residual) => EDGE.top + room * (1 - (Math.min(high, Math.max(low, Math.log10(Math.max(residual, 1e-12)))) - low) / (high - low));
  const linear = (value) => EDGE.top + room * (1 - value);
  at("paths").append(element("div", { className: "columns" },
    chart("Residuals", data.equilibrium ? "How far each step still takes a query: its box in sizes of the box, its content in lengths, whichever is more." : "How far each stage takes a query: its box in sizes of the box, its content in lengths, whichever is more.",
      (query) => query.residuals, [[10, "10"], [1, "1"], [0.1, "0.1"], [0.01, "0.01"], [0.001, "0.001"], [0.0001, "0.0001"]], logarithm, data.tolerance ?? null),
    chart("Scores", "The surest class of each query.", (query) => query.scores, [[0, "0"], [0.25, "0.25"], [0.5, "0.5"], [0.75, "0.75"], [1, "1"]], linear, null)));

  return {
    draw() {
      for (const { svg, lines, now } of charts) {
        now.setAttribute("x1", across(view.time));
        now.setAttribute("x2", across(view.time));
        svg.classList.toggle("chosen", view.chosen !== null);
        for (const { query, line } of lines) {
          line.style.display = isShown(query) ? "" : "none";
          line.classList.toggle("marked", query === view.chosen);
        }
      }
    },
  };
})();
