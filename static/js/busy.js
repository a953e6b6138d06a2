// While htmx waits: the target says so, and the form's buttons do not send twice.
function set(event, busy) {
  event.detail.target?.toggleAttribute("aria-busy", busy);
  if (busy) event.detail.target?.setAttribute("aria-busy", "true");
  if (event.detail.elt.matches("form")) {
    event.detail.elt.querySelectorAll("button[type=submit]").forEach((button) => { button.disabled = busy; });
  }
}

document.addEventListener("htmx:beforeSend", (event) => set(event, true));
document.addEventListener("htmx:afterRequest", (event) => set(event, false));
