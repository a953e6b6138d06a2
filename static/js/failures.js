// A request that failed is told, in #alert and as a toast that stays; what was on the page stays.
function tell(text) {
  const alert = document.getElementById("alert");
  const toasts = document.getElementById("toasts");
  const template = document.getElementById("failure-toast");
  if (!alert || !toasts || !template) return;
  alert.textContent = text;
  const toast = template.content.firstElementChild.cloneNode(true);
  toast.querySelector(".toast__text").textContent = text;
  toasts.replaceChildren(toast);
  document.dispatchEvent(new CustomEvent("toast"));
}

document.addEventListener("htmx:sendError", () => tell("We could not reach the server. Check your connection and try again."));
document.addEventListener("htmx:timeout", () => tell("The server took too long to answer. Try again."));
document.addEventListener("htmx:responseError", (event) => {
  const code = event.detail.xhr.status;
  const id = event.detail.xhr.getResponseHeader("X-Request-Id");
  const what = { 403: "You may not do this.", 404: "This no longer exists. Reload the page.", 429: "Too many tries. Wait a moment, then try again." };
  tell(`${what[code] ?? "Something went wrong on our side. Try again."}${id ? ` Reference ${id}.` : ""}`);
});
