// [data-snippets]: a language chosen in one set of snippets is chosen in all of them. The tabs themselves need no script.
document.addEventListener("change", (event) => {
  const input = event.target;
  if (!input.matches("[data-snippets] input[type=radio]")) return;
  document.querySelectorAll("[data-snippets] input[type=radio]").forEach((other) => {
    if (other !== input && other.value === input.value) other.checked = true;
  });
});
