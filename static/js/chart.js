// [data-chart]: the caption tells the values of the bar under the pointer, or of the one that the arrow keys reach.
document.querySelectorAll("[data-chart] .chart__plot > svg").forEach((svg) => { svg.tabIndex = 0; });

function tell(chart, bar) {
  const caption = chart?.querySelector("figcaption");
  if (!caption) return;
  caption.dataset.was ??= caption.textContent;
  chart.querySelector("[data-on]")?.removeAttribute("data-on");
  if (bar) bar.setAttribute("data-on", "");
  caption.textContent = bar ? bar.textContent : caption.dataset.was;
}

for (const kind of ["pointerover", "pointerout", "focusout"]) {
  document.addEventListener(kind, (event) => tell(event.target.closest?.("[data-chart]"), kind === "pointerover" && event.target.closest("g")));
}

document.addEventListener("keydown", (event) => {
  const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
  if (!step || !event.target.matches("[data-chart] svg")) return;
  event.preventDefault();
  const bars = [...event.target.querySelectorAll("g")];
  const place = bars.findIndex((bar) => bar.hasAttribute("data-on"));
  tell(event.target.closest("[data-chart]"), place < 0 ? bars.at(-1) : bars[place + step] ?? bars[place]);
});
