// details[data-menu]: one open at a time; a click outside, Esc or a choice closes it.
const open = () => document.querySelectorAll("details[data-menu][open]");

document.addEventListener("click", (event) => {
  open().forEach((menu) => {
    if (!menu.contains(event.target) || event.target.closest(".menu__list a")) menu.open = false;
  });
});
document.addEventListener("keydown", (event) => {
  if (event.key !== "Escape") return;
  open().forEach((menu) => {
    const held = menu.contains(document.activeElement);
    menu.open = false;
    if (held) menu.querySelector("summary").focus();
  });
});
