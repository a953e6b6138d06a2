// [data-secret]: a shown-once secret leaves the page when the dialog closes, when the page is left, and when the browser
// brings the page back from its memory. Leaving before it was copied or downloaded asks once. The way on,
// [data-secret-done], becomes the primary button once the secret was saved.
const shown = () => document.querySelector("[data-secret]");
const guards = () => document.querySelectorAll("[data-secret-guard]");
const isSaved = () => shown()?.hasAttribute("data-saved") ?? true;

function markSaved() {
  if (isSaved()) return;
  shown().setAttribute("data-saved", "");
  shown().querySelector(".btn--primary")?.classList.remove("btn--primary");
  const copied = document.activeElement.matches("[data-secret-guard]");
  guards().forEach((guard) => { guard.hidden = true; });
  document.querySelectorAll(".btn[data-secret-done]").forEach((done) => {
    done.classList.add("btn--primary");
    if (done.dataset.saved) done.textContent = done.dataset.saved;
    if (copied) done.focus();
  });
}

function clear() {
  document.querySelectorAll("[data-secret], [data-secret-extra]").forEach((part) => part.remove());
}

// Asks inline, once: true where closing has to wait for a second word.
function asks() {
  const [guard] = guards();
  if (isSaved() || !guard?.hidden) return false;
  guards().forEach((each) => { each.hidden = false; });
  guard.focus();
  document.querySelectorAll("[data-unsaved]").forEach((done) => {
    done.dataset.saved = done.textContent;
    done.textContent = done.dataset.unsaved;
    done.scrollIntoView({ block: "nearest" });
  });
  return true;
}

document.addEventListener("copied", (event) => { if (event.target.closest("[data-secret], [data-secret-extra]")) markSaved(); });
document.addEventListener("copy", (event) => { if (event.target.closest?.("[data-secret]")) markSaved(); });
document.addEventListener("click", (event) => {
  if (event.target.closest("[data-print]")) print();
  if (event.target.closest("[data-saves]")) markSaved();
  const done = event.target.closest("[data-secret-done]");
  if (!done) return;
  if (asks()) event.preventDefault();
  else markSaved();
}, true);
document.addEventListener("dialog:closing", (event) => { if (asks()) event.preventDefault(); });
document.addEventListener("close", (event) => { if (event.target.id === "dialog") clear(); }, true);
addEventListener("beforeunload", (event) => { if (!isSaved()) event.preventDefault(); });
addEventListener("pagehide", () => clear());
addEventListener("pageshow", (event) => { if (event.persisted) clear(); });
