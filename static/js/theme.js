// [data-theme-set]: the theme at once, remembered by the server's cookie; without this script the form posts.
document.addEventListener("click", async (event) => {
  const button = event.target.closest("[data-theme-set]");
  if (!button) return;
  event.preventDefault();
  const theme = button.dataset.themeSet;
  const form = button.form;
  document.documentElement.dataset.theme = theme;
  document.querySelectorAll("[data-theme-set]").forEach((other) => {
    other.setAttribute("aria-pressed", String(other.dataset.themeSet === theme));
  });
  const body = new FormData(form);
  body.set("theme", theme);
  await fetch(form.action, { method: "POST", body, redirect: "manual" }).catch(() => form.submit());
});
