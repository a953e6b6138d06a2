// [data-reveal="id"] shows and hides a password; [data-unmask] shows and hides the secret inside snippets.
document.addEventListener("click", (event) => {
  const button = event.target.closest("[data-reveal], [data-unmask]");
  if (!button) return;
  const shows = button.getAttribute("aria-pressed") !== "true";
  button.setAttribute("aria-pressed", String(shows));
  button.textContent = button.textContent.replace(shows ? "Show" : "Hide", shows ? "Hide" : "Show");
  if (button.dataset.reveal) document.getElementById(button.dataset.reveal).type = shows ? "text" : "password";
  else button.closest("[data-snippets]").toggleAttribute("data-shown", shows);
});

// A password never travels or lingers as plain text.
document.addEventListener("submit", (event) => {
  event.target.querySelectorAll("[data-reveal][aria-pressed=true]").forEach((button) => button.click());
}, true);
