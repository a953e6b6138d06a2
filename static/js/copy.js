// [data-copy="id"]: copy that element's text, and say so on the button and in the live region.
document.addEventListener("click", async (event) => {
  const button = event.target.closest("[data-copy]");
  const source = button && document.getElementById(button.dataset.copy);
  if (!source) return;
  const text = source.textContent.trim();
  const copied = await navigator.clipboard?.writeText(text).then(() => true, () => false);
  const label = button.querySelector("[data-copy-label]") ?? button;
  button.dataset.copyWas ??= label.textContent;
  const said = copied ? "Copied" : "Press Ctrl+C";
  if (!copied) getSelection().selectAllChildren(source);
  label.textContent = said;
  button.classList.toggle("copied", Boolean(copied) && !button.classList.contains("btn--primary"));
  const live = document.getElementById("live");
  if (live) live.textContent = copied ? "Copied" : "Could not copy. The text is selected: press Ctrl+C.";
  if (copied) button.dispatchEvent(new CustomEvent("copied", { bubbles: true }));
  setTimeout(() => {
    label.textContent = button.dataset.copyWas;
    button.classList.remove("copied");
  }, 2000);
});
