// Elements from names, attributes and children. Text is text: nothing here reads HTML.

export function el(name, given = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(given)) {
    if (value === undefined || value === null || value === false) continue;
    if (key.startsWith("on")) made.addEventListener(key.slice(2), value);
    else if (key in made && key !== "list" && key !== "form" && !key.startsWith("aria")) made[key] = value;
    else made.setAttribute(key, value === true ? "" : value);
  }
  made.append(...children.flat().filter((one) => one !== null && one !== undefined && one !== false));
  return made;
}

export function svg(name, given = {}, ...children) {
  const made = document.createElementNS("http://www.w3.org/2000/svg", name);
  for (const [key, value] of Object.entries(given)) made.setAttribute(key, value);
  made.append(...children);
  return made;
}

export const $ = (name) => document.getElementById(name);

export function button(label, action, given = {}) {
  return el("button", { type: "button", onclick: action, ...given }, label);
}

// Four digits at most, and never 1e-5 where 0.00001 reads as well.
export function number(value) {
  if (value === null || value === undefined || !Number.isFinite(value)) return "–";
  if (value !== 0 && (Math.abs(value) < 1e-3 || Math.abs(value) >= 1e6)) return value.toExponential(2);
  return String(Number(value.toPrecision(3)));
}

export function duration(seconds) {
  if (!Number.isFinite(seconds)) return "–";
  const whole = Math.round(seconds), minutes = Math.floor(whole / 60);
  if (minutes >= 60) return `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
  return minutes ? `${minutes}:${String(whole % 60).padStart(2, "0")} min` : `${whole} s`;
}

export function bytes(count) {
  return count >= 1e9 ? `${(count / 1e9).toFixed(1)} GB` : `${Math.round(count / 1e6)} MB`;
}

let hiding = 0;

// One line at the top of the page: what was refused, or what was done.
export function tell(line, bad = true) {
  const place = $("told");
  clearTimeout(hiding);
  place.textContent = line;
  place.className = bad ? "bad" : "good";
  place.hidden = !line;
  if (line) hiding = setTimeout(() => { place.hidden = true; }, bad ? 12000 : 4000);
}
