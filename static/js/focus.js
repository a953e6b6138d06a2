// Focus after a page or a swap: the error summary, else what asks for it with [data-focus]; never <body>. After more rows
// were loaded, it is the first of them.
function place(root) {
  const wanted = root.matches?.("[data-focus]") ? root : root.querySelector?.("[data-focus]");
  wanted?.focus();
  return Boolean(wanted);
}

document.addEventListener("DOMContentLoaded", () => {
  place(document);
  if (document.activeElement?.matches("input[data-select]")) document.activeElement.select(); // a suggestion to type over
});
document.addEventListener("htmx:afterSettle", (event) => {
  const root = event.detail.elt;
  if (!root || root.closest?.(".toasts") || place(root)) return;
  if (!event.detail.requestConfig?.triggeringEvent) return; // a page that polls keeps the focus
  if (document.activeElement && document.activeElement !== document.body) return;
  const added = root.matches?.(".table__more") && [...document.querySelectorAll("main [data-focus]")].at(-1);
  const next = added || root.querySelector("input:not([type=hidden]), h1, h2, a[href], button");
  if (next?.matches("h1, h2") && !next.hasAttribute("tabindex")) next.tabIndex = -1;
  next?.focus({ preventScroll: true });
});
