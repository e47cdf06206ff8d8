// Draws the values of widgets as elements.

const format = new Intl.NumberFormat("en", { maximumFractionDigits: 2 });

export function make(tag, className, ...content) {
  const made = document.createElement(tag);
  if (className) made.className = className;
  made.append(...content);
  return made;
}

export function drawNumber({ value, unit, before }) {
  const shown = [make("p", "number", `${format.format(value)} ${unit}`)];
  if (before !== null) shown.push(make("p", "note", `${format.format(before)} the day before`));
  return shown;
}

export function drawBars(values) {
  const most = Math.max(...Object.values(values));
  const rows = Object.entries(values).flatMap(([label, value]) => {
    const meter = Object.assign(document.createElement("meter"), { max: most || 1, value, ariaHidden: "true" });
    return [make("dt", "", label), meter, make("dd", "", format.format(value))];
  });
  return [make("dl", "", ...rows)];
}

export const drawList = (values) => [make("p", "number", values.join(", ") || "nothing")];
