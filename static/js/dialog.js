// The one dialog: opens when something was put into #dialog-body, closes by [data-dialog-close], the backdrop, Esc,
// or the server's word (HX-Trigger: closeDialog). Focus goes in, and back to what opened it.
let opener = null;
let row = null; // the address of the row that it was opened from: the row may be another one when the dialog closes
const dialog = () => document.getElementById("dialog");

document.addEventListener("htmx:beforeRequest", (event) => {
  if (event.detail.target?.id !== "dialog-body" || dialog().open) return;
  const elt = event.detail.elt;
  opener = elt.closest("[data-menu]")?.querySelector("summary") ?? elt;
  row = elt.closest("tr")?.querySelector(".cell-main > a")?.href;
});

document.addEventListener("htmx:afterSwap", (event) => {
  if (event.detail.target?.id !== "dialog-body") return;
  const box = dialog();
  const guarded = box.querySelector("[data-secret]") !== null;
  box.toggleAttribute("data-guarded", guarded);
  box.setAttribute("closedby", guarded ? "none" : "closerequest"); // a second Esc cannot be cancelled by script
  const heading = box.querySelector("h1, h2");
  if (heading) {
    heading.id ||= "dialog-title";
    box.setAttribute("aria-labelledby", heading.id);
  }
  if (!box.open) box.showModal();
  box.scrollTop = 0;
  heading?.setAttribute("tabindex", "-1");
  (box.querySelector("[data-focus], [autofocus]") ?? heading)?.focus();
});

document.addEventListener("click", (event) => {
  const box = dialog();
  if (!box?.open) return;
  if (event.defaultPrevented) return;
  if (event.target.closest(row ? "[data-dialog-close], [data-secret-done]" : "[data-dialog-close]") && box.contains(event.target)) {
    event.preventDefault();
    requestClose(box);
  } else if (event.target === box && !box.hasAttribute("data-guarded")) {
    requestClose(box);
  }
});

document.addEventListener("cancel", (event) => {
  if (event.target === dialog() && event.target.hasAttribute("data-guarded")) event.preventDefault();
}, true);

document.addEventListener("closeDialog", () => dialog()?.close());

document.addEventListener("close", (event) => {
  if (event.target !== dialog()) return;
  event.target.removeAttribute("data-guarded");
  document.getElementById("dialog-body").replaceChildren();
  const link = row && [...document.querySelectorAll(".cell-main > a")].find((each) => each.href === row);
  const back = opener?.isConnected ? opener : link || document.querySelector("main h1, main h2");
  opener = row = null;
  back?.focus();
}, true);

// secret.js may ask first: it stops this event.
function requestClose(box) {
  if (box.dispatchEvent(new CustomEvent("dialog:closing", { bubbles: true, cancelable: true }))) box.close();
}
