// A picture comes to the page: dropped anywhere on it, pasted, or chosen.

function tell(text, wrong = false) {
  const told = at("told");
  told.textContent = text;
  told.className = wrong ? "wrong" : "";
}

// The button to drop on, and the line below it that `tell` writes; `take` gets each picture's file.
function dropArea(about, accept, take) {
  const file = element("input", { type: "file", accept, tabIndex: -1, id: "file" });
  file.setAttribute("aria-hidden", "true");
  const drop = element("button", { type: "button", id: "drop" },
    element("b", {}, "Drop a picture here, paste one, or choose a file"),
    element("span", {}, about));
  const told = element("p", { id: "told" });
  told.setAttribute("role", "status");
  drop.addEventListener("click", () => file.click());
  file.addEventListener("change", () => {
    if (file.files.length > 0) take(file.files[0]);
    file.value = "";
  });
  addEventListener("dragover", (event) => { event.preventDefault(); drop.classList.add("over"); });
  addEventListener("dragleave", (event) => { if (!event.relatedTarget) drop.classList.remove("over"); });
  addEventListener("drop", (event) => {
    event.preventDefault();
    drop.classList.remove("over");
    if (event.dataTransfer.files.length > 0) take(event.dataTransfer.files[0]);
  });
  addEventListener("paste", (event) => {
    const pasted = [...event.clipboardData.files].find((each) => each.type.startsWith("image/"));
    if (pasted) take(pasted);
  });
  return [file, drop, told];
}
