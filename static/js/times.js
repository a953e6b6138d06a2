// <time data-relative datetime>: keeps "2 min ago" true while the page stays open. portal/ui/times.py says the same words.
const MINUTE = 60, HOUR = 3600, DAY = 86400;

function words(at, now) {
  const distance = (at - now) / 1000, length = Math.abs(distance);
  if (length < MINUTE) return distance <= 0 ? "just now" : "in under a minute";
  if (length >= 30 * DAY) return new Intl.DateTimeFormat("en-GB", { day: "numeric", month: "short", year: "numeric", timeZone: "UTC" }).format(at);
  const [minutes, hours, days] = [MINUTE, HOUR, DAY].map((unit) => Math.floor(length / unit + (distance > 0 ? 0.5 : 0)));
  const text = minutes < 60 ? `${minutes} min` : hours < 48 ? `${hours} h` : `${days} days`;
  return distance < 0 ? `${text} ago` : `in ${text}`;
}

setInterval(() => {
  const now = Date.now();
  document.querySelectorAll("time[data-relative]").forEach((time) => {
    const said = words(Date.parse(time.dateTime), now);
    if (time.textContent !== said) time.textContent = said;
  });
}, 30000);
