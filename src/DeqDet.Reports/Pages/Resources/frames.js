// Pictures with boxes over them, as cards of a grid and enlarged.

// The picture with its boxes; a box that is not asked for is faint. What is pointed at is told.
function frame(image, stroke) {
  const svg = drawn("svg", { viewBox: `0 0 ${image.width} ${image.height}`, preserveAspectRatio: "none" });
  const node = element("div", { className: "frame", style: `aspect-ratio:${image.width}/${image.height}` });
  if (image.picture) node.append(element("img", { alt: "", src: "data:image/webp;base64," + image.picture }));
  node.append(svg);
  // large ones first, so that small ones lie over them and can be pointed at
  let boxes = [];
  function draw() {
    boxes = state.boxes ? [...boxesOf(image)].sort((a, b) => b.w * b.h - a.w * a.h) : [];
    svg.replaceChildren(...boxes.flatMap((box) => {
      const faint = wanted(box) ? "" : " faint";
      const place = { x: box.x, y: box.y, width: box.w, height: box.h };
      return [
        drawn("rect", { ...place, class: "under" + faint, "stroke-width": stroke + 1.4 }),
        drawn("rect", { ...place, class: "box" + faint, stroke: colourOf(box).colour, "stroke-width": stroke, "stroke-dasharray": dashOf(box) }),
      ];
    }));
  }
  const unmark = () => svg.querySelectorAll(".hover").forEach((rect) => rect.classList.remove("hover"));
  svg.addEventListener("pointermove", (event) => {
    const area = svg.getBoundingClientRect();
    const x = ((event.clientX - area.left) / area.width) * image.width;
    const y = ((event.clientY - area.top) / area.height) * image.height;
    const hit = boxes.filter((box) => x >= box.x && y >= box.y && x <= box.x + box.w && y <= box.y + box.h).reverse();
    unmark();
    if (hit.length === 0) return hideTip();
    svg.querySelectorAll(".box")[boxes.indexOf(hit[0])].classList.add("hover");
    const more = hit.length > 6 ? `\nand ${hit.length - 6} more` : "";
    showTip(event, hit.slice(0, 6).map(describe).join("\n") + more);
  });
  svg.addEventListener("pointerleave", () => { hideTip(); unmark(); });
  draw();
  return { node, draw };
}

function card(image) {
  const { node } = frame(image, 1.6);
  const open = () => viewer.show(listed.indexOf(image));
  press(node, open);
  node.addEventListener("keydown", (event) => {
    if (event.key !== " ") return;
    event.preventDefault();
    open();
  });
  node.setAttribute("role", "button");
  node.setAttribute("aria-label", `enlarge ${image.file}`);
  const ratio = Math.max(0.5, Math.min(2.5, image.width / image.height));
  return element("figure", { style: `--ratio:${ratio}` }, node, element("figcaption", {}, element("b", { title: image.file }, image.file), told(image)));
}
