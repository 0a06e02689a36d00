// The queries as a table, and where the chosen one looks.

const looks = (() => {
  const section = at("queries");
  const table = element("tbody");
  const told = element("div", { className: "aside" });
  const heads = ["query", "score", "residual", ...(data.equilibrium ? ["steps"] : [])];
  const others = element("input", { type: "checkbox", id: "others", checked: view.others });
  others.addEventListener("change", () => {
    view.others = others.checked;
    update();
  });
  section.append(
    element("h2", {}, "Queries"),
    element("div", { className: "controls" },
      element("span", { className: "soft" }, kept.length === 0 ? "No detection was kept; these came nearest." : `${counted(kept.length, "query", "queries")} with a detection ${data.kept}.`),
      queries.length > kept.length && kept.length > 0 ? element("label", {}, others, `show the next ${whole(queries.length - kept.length)}, too`) : null),
    element("div", { className: "columns" },
      element("div", { className: "grow" }, element("div", { className: "scroll" },
        element("table", {}, element("thead", {}, element("tr", {}, ...heads.map((text) => element("th", { scope: "col" }, text)))), table))),
      told));

  const rows = queries.map((query) => {
    const mark = element("i");
    const name = element("button", { type: "button" });
    const numbers = heads.slice(1).map(() => element("td"));
    const row = element("tr", {}, element("td", {}, mark, name), ...numbers);
    row.addEventListener("click", () => choose(query === view.chosen ? null : query));
    table.append(row);
    return { query, row, mark, name, numbers };
  });

  function drawRows(state) {
    for (const { query, row, mark, name, numbers } of rows) {
      row.hidden = !isShown(query);
      mark.style.background = colourAt(query, state).colour;
      name.textContent = `${nameOf(query, state)} · ${query.query}`;
      name.setAttribute("aria-pressed", query === view.chosen);
      row.classList.toggle("chosen", query === view.chosen);
      const texts = [fixed(query.scores[state]), residualText(query, state)];
      if (data.equilibrium) texts.push(isSettled(query, state) ? `settled at ${query.steps}` : String(Math.min(state, query.steps)));
      numbers.forEach((cell, i) => { cell.textContent = texts[i]; });
    }
  }

  function levelChips() {
    const chip = (level, text, colour) => {
      const button = element("button", { type: "button", "aria-pressed": view.level === level }, colour === null ? null : element("i", { style: `background:${colour}` }), text);
      button.addEventListener("click", () => {
        view.level = view.level === level ? null : level;
        const place = [...told.querySelectorAll(".chips button")].indexOf(button);
        update();
        told.querySelectorAll(".chips button")[place].focus();
      });
      return button;
    };
    return element("div", { className: "chips" }, chip(null, "all levels", null),
      ...data.strides.map((stride, level) => chip(level, `${score(stride)} px`, LEVEL_COLOURS[level % LEVEL_COLOURS.length])));
  }

  let toldOf = "";
  function drawTold(state) {
    const query = view.chosen;
    const key = `${query?.index} ${state} ${view.level}`;
    if (key === toldOf) return;
    toldOf = key;
    if (query === null) {
      told.replaceChildren(element("h3", {}, "Where a query looks"),
        element("p", { className: "soft" }, "Choose a query, in the table or by its box, to see the points at which it reads the picture: each lies on the levels of a pyramid, from fine to coarse. Escape lets it go."));
      return;
    }
    const found = pointsAt(query, state);
    const heading = element("h3", {}, `Where query ${query.query} looks next`);
    if (found === null) {
      const why = query.points === null ? "Points are kept of the surest queries only." : "This is the last stage: nothing is read any more.";
      told.replaceChildren(heading, element("p", { className: "soft" }, why));
      return;
    }
    const shares = data.strides.map((_, level) => found.reduce((sum, point) => sum + point.shares[level], 0) / found.length);
    const inside = found.filter((point) => point.x >= 0 && point.y >= 0 && point.x <= data.width && point.y <= data.height).length;
    told.replaceChildren(heading,
      element("p", { className: "soft" }, `${counted(found.length, "point")}` + (inside < found.length ? `, ${whole(found.length - inside)} of them beyond the picture` : "") + ". A circle has the colour and size of the level that counts most there."),
      element("div", { className: "shares" }, ...shares.flatMap((share, level) => [
        element("span", {}, `level of ${score(data.strides[level])} px`),
        element("div", { className: "bar" }, element("i", { style: `width:${100 * share}%;background:${LEVEL_COLOURS[level % LEVEL_COLOURS.length]}` })),
        element("span", { className: "number" }, percent(share)),
      ])),
      element("p", { className: "soft" }, "Show what one level counts at each point:"),
      levelChips());
  }

  return {
    draw() {
      others.checked = view.others;
      drawRows(nearest());
      drawTold(nearest());
    },
  };
})();
