// [data-chart]: the caption shows the values of the bar under the pointer, or of the bar that the arrow keys reach.
document.querySelectorAll("[data-chart] .chart__plot > svg").forEach((svg) => { svg.tabIndex = 0; });

function show(chart, bar) {
  const caption = chart.querySelector("figcaption");
  caption.dataset.was ??= caption.textContent;
  chart.querySelector("[data-on]")?.removeAttribute("data-on");
  bar?.setAttribute("data-on", "");
  caption.textContent = bar ? bar.querySelector("title").textContent : caption.dataset.was;
}

for (const kind of ["pointerover", "pointerout", "focusout"]) {
  document.addEventListener(kind, (event) => {
    const chart = event.target.closest?.("[data-chart]");
    if (chart) show(chart, kind === "pointerover" ? event.target.closest("g") : null);
  });
}

document.addEventListener("keydown", (event) => {
  const chart = event.target.matches?.("[data-chart] svg") && event.target.closest("[data-chart]");
  const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
  if (!chart || !step) return;
  event.preventDefault();
  const bars = [...event.target.querySelectorAll("g")];
  const now = bars.findIndex((bar) => bar.hasAttribute("data-on"));
  show(chart, bars[now < 0 ? bars.length - 1 : Math.min(Math.max(now + step, 0), bars.length - 1)]);
});
