// [data-reveal="id"] shows and hides a password; [data-unmask] shows and hides the secret inside snippets.
document.addEventListener("click", (event) => {
  const button = event.target.closest("[data-reveal], [data-unmask]");
  if (!button) return;
  const shows = button.toggleAttribute("data-on");
  const [was, is] = shows ? ["Show", "Hide"] : ["Hide", "Show"];
  button.textContent = button.textContent.replace(was, is);
  if (button.ariaLabel) button.ariaLabel = button.ariaLabel.replace(was, is);
  if (button.dataset.reveal) document.getElementById(button.dataset.reveal).type = shows ? "text" : "password";
  else button.closest("[data-snippets]").toggleAttribute("data-shown", shows);
});

// A password never travels or lingers as plain text.
document.addEventListener("submit", (event) => {
  event.target.querySelectorAll("[data-reveal][data-on]").forEach((button) => button.click());
}, true);
