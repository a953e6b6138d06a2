// <time datetime data-relative|data-day|data-exact>: told in the zone that the person chose (<html data-zone>), else in
// the browser's, and kept true while the page stays open. portal/ui/times.py says the same words.
const MINUTE = 60, HOUR = 3600, DAY = 86400;

const partsIn = (timeZone) => {
  const format = new Intl.DateTimeFormat("en-US", { weekday: "short", day: "numeric", month: "short", year: "numeric", hour: "2-digit", minute: "2-digit", hourCycle: "h23", timeZone });
  return (at) => Object.fromEntries(format.formatToParts(at).map(({ type, value }) => [type, value]));
};
const inZone = partsIn(document.documentElement.dataset.zone), inUtc = partsIn("UTC");
const day = ({ day, month, year }) => `${day} ${month} ${year}`;
const clock = ({ hour, minute }) => `${hour}:${minute}`;

function exact(at) {
  const here = inZone(at), utc = inUtc(at);
  const said = `${here.weekday} ${day(here)}, ${clock(here)}`;
  if (day(here) !== day(utc)) return `${said} (${utc.weekday} ${clock(utc)} UTC)`;
  return clock(here) === clock(utc) ? `${said} UTC` : `${said} (${clock(utc)} UTC)`;
}

function relative(at) {
  const distance = (at - Date.now()) / 1000, length = Math.abs(distance);
  if (length < MINUTE) return distance <= 0 ? "just now" : "in under a minute";
  if (length >= 30 * DAY) return day(inZone(at));
  const [minutes, hours, days] = [MINUTE, HOUR, DAY].map((unit) => Math.floor(length / unit + (distance > 0 ? 0.5 : 0)));
  const text = minutes < 60 ? `${minutes} min` : hours < 48 ? `${hours} h` : `${days} days`;
  return distance < 0 ? `${text} ago` : `in ${text}`;
}

const styles = { relative, day: (at) => day(inZone(at)), exact };

function tell() {
  for (const [style, words] of Object.entries(styles)) {
    document.querySelectorAll(`time[data-${style}]`).forEach((time) => {
      const at = Date.parse(time.dateTime), said = words(at);
      if (time.textContent !== said) time.textContent = said;
      if (time.title) time.title = exact(at);
    });
  }
}

tell();
document.addEventListener("htmx:load", tell);
setInterval(tell, 30000);
