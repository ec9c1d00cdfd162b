"use strict";
for (const player of document.querySelectorAll(".player")) {
  const labels = JSON.parse(player.dataset.clock);
  const columns = Number(player.dataset.columns);
  const slider = player.querySelector("input");
  const button = player.querySelector("button");
  const rate = player.querySelector("select");
  const said = player.querySelector("output");
  const panels = [...player.querySelectorAll("canvas")].map((canvas) => ({
    canvas, pen: canvas.getContext("2d"), sheet: canvas.parentElement.querySelector("img"), name: canvas.dataset.name,
  }));

  function show() {
    const frame = Number(slider.value);
    const text = labels[frame] + " (" + (frame + 1) + " of " + labels.length + ")";
    said.textContent = text;
    slider.setAttribute("aria-valuetext", text);
    for (const { canvas, pen, sheet, name } of panels) {
      const { width, height } = canvas;
      const x = (frame % columns) * width, y = Math.floor(frame / columns) * height;
      if (sheet.complete) pen.drawImage(sheet, x, y, width, height, 0, 0, width, height);
      canvas.setAttribute("aria-label", name + ", " + labels[frame]);
    }
  }

  let due = null;
  function tick(now) {
    if (due === null) return;
    if (now >= due) {
      slider.value = (Number(slider.value) + 1) % labels.length;
      due = now + 1000 / Number(rate.value);
      show();
    }
    requestAnimationFrame(tick);
  }
  function toggle() {
    due = due === null ? 0 : null;
    button.textContent = due === null ? "Play" : "Pause";
    if (due !== null) requestAnimationFrame(tick);
  }

  button.addEventListener("click", toggle);
  slider.addEventListener("input", show);
  slider.addEventListener("keydown", (event) => {
    if (event.key !== " ") return;
    event.preventDefault();
    toggle();
  });
  for (const { sheet } of panels) sheet.decode().then(show, () => {});
  player.querySelector(".controls").hidden = labels.length < 2;
  show();
}
