// The refinement of one picture: its queries state by state, and what the page's other scripts ask of them.

const data = JSON.parse(at("data").textContent);
const LAST = data.states - 1;
const LEVELS = data.strides.length;
const LEVEL_COLOURS = ["#ffd02e", "#3ddc84", "#2ec4f3", "#b57bff", "#ff7a2e", "#ff6fc5"];
const shade = shades(data.settled, data.moving);
const UNMEASURED = { colour: "#c2cad4", ink: "#000" };

const bytes = (text) => Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
const queries = data.queries.map((query, index) => ({
  ...query, index,
  points: query.points ? new Int16Array(bytes(query.points).buffer) : null,
  levels: query.levels ? bytes(query.levels) : null,
}));
const kept = queries.filter((query) => query.kept);

// time: a state, or a moment between two of them; chosen: a query, or null; level: one of the pyramid's, or null for all.
const view = { time: 0, chosen: null, level: null, ways: true, labels: true, others: kept.length === 0, colour: "residual" };

const nearest = () => Math.round(view.time);
const isShown = (query) => query.kept || view.others || query === view.chosen;
const words = (state) => (data.equilibrium ? (state === 0 ? "init head" : `step ${state} of ${LAST}`) : `stage ${state + 1} of ${LAST + 1}`);
const nameOf = (query, state) => data.classes[query.labels[state]].name;
const percent = (share) => `${Math.round(100 * share)} %`;

// A state's box as [x, y, x, y]; null where a number of it is not finite.
function boxAt(query, time) {
  const from = Math.min(Math.floor(time), LAST);
  const to = Math.min(from + 1, LAST);
  const share = time - from;
  const corner = (i) => {
    const a = query.boxes[4 * from + i];
    const b = query.boxes[4 * to + i];
    return a === null || b === null ? null : a + (b - a) * share;
  };
  const box = [corner(0), corner(1), corner(2), corner(3)];
  return box.includes(null) ? null : box;
}

function colourAt(query, state) {
  if (view.colour === "class") return data.classes[query.labels[state]];
  const residual = query.residuals[state];
  return residual === null ? UNMEASURED : shade(residual);
}

const isSettled = (query, state) => query.settled === true && state >= query.steps;
const residualText = (query, state) => (state === 0 ? "–" : small(query.residuals[state]));
const describe = (query, state) =>
  `${nameOf(query, state)} ${fixed(query.scores[state])}, query ${query.query}` +
  (state === 0 ? "" : `, residual ${residualText(query, state)}`) + (isSettled(query, state) ? ", settled" : "");

// Where the application after a state reads, as {x, y, shares}; null where there is nothing to show.
function pointsAt(query, state) {
  if (query === null || query.points === null) return null;
  const looked = data.equilibrium ? LAST + 1 : LAST;
  if (state >= looked) return null;
  const each = query.points.length / 2 / looked;
  return Array.from({ length: each }, (_, i) => {
    const place = state * each + i;
    return {
      x: (query.points[2 * place] / data.parts) * data.width,
      y: (query.points[2 * place + 1] / data.parts) * data.height,
      shares: Array.from(query.levels.subarray(place * LEVELS, (place + 1) * LEVELS), (share) => share / 255),
    };
  });
}
