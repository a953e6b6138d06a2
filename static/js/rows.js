// [data-rows="most"]: the button [data-row-add] after it brings the next blank row, or a copy of the last one.
document.addEventListener("click", (event) => {
  const button = event.target.closest("[data-row-add]");
  if (!button) return;
  const rows = button.previousElementSibling;
  let row = rows.querySelector("[data-spare]");
  if (!row) {
    row = rows.lastElementChild.cloneNode(true);
    row.querySelectorAll("input").forEach((input) => { input.value = ""; });
    rows.append(row);
  }
  row.removeAttribute("data-spare");
  row.querySelector("input").focus();
  button.hidden = rows.querySelectorAll(":scope > :not([data-spare])").length >= rows.dataset.rows;
});
