// [data-scopes]: the search shows the lines that match; [data-scopes-set] sets every line shown to that level. The fold
// counts the lines in it that have a choice.
const linesOf = (picker) => [...picker.querySelectorAll("[data-scope-line]")];
const tell = (picker, text) => { picker.querySelector("[role=status]").textContent = text; };

document.addEventListener("input", (event) => {
  if (!event.target.matches("[data-scopes-search]")) return;
  const picker = event.target.closest("[data-scopes]"), lines = linesOf(picker);
  const words = event.target.value.toLowerCase().split(/\s+/).filter(Boolean);
  lines.forEach((line) => { line.hidden = !words.every((word) => line.textContent.toLowerCase().includes(word)); });
  const fold = picker.querySelector("details");
  if (fold && words.length) fold.open = true;
  const found = lines.filter((line) => !line.hidden).length;
  tell(picker, !words.length ? "" : found ? `${found} of ${lines.length} match` : `No resource matches ${event.target.value}`);
});
function count(picker) {
  const chosen = linesOf(picker).filter((line) => line.closest("details") && line.querySelector(':checked:not([value=""])'));
  const words = picker.querySelector("[data-scopes-chosen]");
  if (words) words.textContent = chosen.length ? `, ${chosen.length} chosen` : "";
}

document.addEventListener("change", (event) => {
  if (event.target.matches("[data-scope-line] input")) count(event.target.closest("[data-scopes]"));
});
document.addEventListener("keydown", (event) => {
  if (event.key === "Enter" && event.target.matches("[data-scopes-search]")) event.preventDefault();
});
document.addEventListener("click", (event) => {
  const button = event.target.closest("[data-scopes-set]");
  if (!button) return;
  const picker = button.closest("[data-scopes]"), level = button.dataset.scopesSet;
  const lines = linesOf(picker).filter((line) => !line.hidden);
  const set = lines.flatMap((line) => [...line.querySelectorAll(`[type=radio][value="${level}"]`)]);
  set.forEach((radio) => { radio.checked = true; });
  if (!level) lines.forEach((line) => line.querySelectorAll("[type=checkbox]").forEach((box) => { box.checked = false; }));
  count(picker);
  tell(picker, level ? `Read on ${set.length}` : "Cleared");
});
