/** Access to the document for every panel, and the formats of numbers. */

/** @param {string} id @returns {any} */
export const find = (id) => document.getElementById(id);

/** Make an element. Properties that are undefined are left out. */
export function element(tag, properties = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (value === undefined) continue;
    if (name.includes("-") || name === "role" || name === "scope") made.setAttribute(name, value);
    else made[name] = value;
  }
  made.append(...children);
  return made;
}

/** Set an element's text only if it differs, so that screen readers do not announce it twice. */
export function write(target, text) {
  if (target.textContent !== text) target.textContent = text;
}

/** Show an error's sentence, or hide its element if the error is null. */
export function showError(target, error) {
  target.hidden = !error;
  write(target, error ? sentenceOf(error) : "");
}

export function sentenceOf(error) {
  const again = error.retryAfterMs ? ` Retry in ${seconds(error.retryAfterMs / 1000)}.` : "";
  return `${error.message ?? error}${again}`;
}

const whole = new Intl.NumberFormat("en", { maximumFractionDigits: 0 });
const tenths = new Intl.NumberFormat("en", { maximumFractionDigits: 1 });

/** Format a count or a rate: one decimal below ten, none above. */
export const number = (value) => (Math.abs(value) < 9.95 ? tenths : whole).format(value);
export const count = (value) => whole.format(value);
export const milliseconds = (ms) => (ms < 1000 ? `${number(ms)} ms` : `${tenths.format(ms / 1000)} s`);
/** Format a share, rounded down: 100% means all of it. */
export const percent = (share) => `${whole.format(share < 1 ? Math.floor(share * 100) : 100)}%`;

/** Format a duration in seconds, minutes or hours. */
export function seconds(value) {
  if (value < 60) return `${whole.format(value)} s`;
  if (value < 3600) return `${Math.floor(value / 60)} min ${whole.format(Math.floor(value % 60))} s`;
  return `${Math.floor(value / 3600)} h ${Math.floor((value % 3600) / 60)} min`;
}

export const prefersStillness = () => matchMedia("(prefers-reduced-motion: reduce)").matches;
