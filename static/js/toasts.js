// #toasts: shows what htmx puts there, above dialogs too; each goes after 6 s, or 10 s where it offers to undo, unless
// it is an error, hovered or focused.
const SHOWN_MS = 6000, UNDO_MS = 10000;
const watched = new WeakSet();

function watch(toast) {
  if (watched.has(toast)) return;
  watched.add(toast);
  if (toast.classList.contains("tone-bad")) return;
  let left = toast.querySelector("form") ? UNDO_MS : SHOWN_MS, since = Date.now(), timer = setTimeout(() => drop(toast), left);
  const pause = () => { clearTimeout(timer); left -= Date.now() - since; };
  const go = () => { clearTimeout(timer); since = Date.now(); timer = setTimeout(() => drop(toast), Math.max(left, 1500)); };
  toast.addEventListener("pointerenter", pause);
  toast.addEventListener("pointerleave", go);
  toast.addEventListener("focusin", pause);
  toast.addEventListener("focusout", go);
}

function drop(toast) {
  const box = toast.parentElement;
  toast.remove();
  if (box && !box.querySelector(".toast") && box.matches(":popover-open")) box.hidePopover();
}

function refresh() {
  const box = document.getElementById("toasts");
  const toasts = box?.querySelectorAll(".toast");
  if (!toasts?.length) return;
  if (box.matches(":popover-open")) box.hidePopover(); // shown again, hence above a dialog opened meanwhile
  box.showPopover?.();
  toasts.forEach(watch);
}

document.addEventListener("DOMContentLoaded", refresh);
document.addEventListener("htmx:oobAfterSwap", refresh);
document.addEventListener("toast", refresh);
document.addEventListener("click", (event) => {
  const button = event.target.closest("[data-toast-close]");
  if (button) drop(button.closest(".toast"));
});
