// A row's link covers the row (components.css), but for what stands above it to show its title; that leads there, too.
document.addEventListener("click", (event) => {
  const covered = event.target.closest("time, .scopes");
  covered?.closest("tr")?.querySelector(".cell-main > a")?.click();
});
