/** Two charts of the last minute, one point a second. They need uPlot. */

import { find, milliseconds, number } from "./dom.js";

const SECONDS = 60;
const MARKS = [60, 45, 30, 15, 0];
const HEIGHT = 220;

const ANSWERS = [
  { name: "hit", label: "hits", colour: "--hit", isFilled: true },
  { name: "stale", label: "stale", colour: "--stale" },
  { name: "miss", label: "misses", colour: "--miss" },
];
const LATENCY = [
  { name: "p50", label: "p50", colour: "--p50", isFilled: true },
  { name: "p99", label: "p99", colour: "--p99" },
  { name: "push", label: "click to push", colour: "--push", dots: true },
];

/** Load uPlot and return `add(point)`. Without uPlot, show a note and return a function that does nothing. */
export async function setUpCharts() {
  if (document.documentElement.dataset.charts !== "yes") {
    find("charts-absent").hidden = false;
    find("chart-pair").hidden = true;
    return () => {};
  }
  const style = Object.assign(document.createElement("link"), { rel: "stylesheet", href: "/_local/page/uPlot.min.css" });
  document.head.prepend(style);
  const { default: Plot } = await import("./uPlot.esm.js");
  const answers = new LiveChart(Plot, "answers", ANSWERS, (value) => `${number(value)}/s`);
  const latency = new LiveChart(Plot, "latency", LATENCY, milliseconds);
  const dark = matchMedia("(prefers-color-scheme: dark)");
  dark.addEventListener("change", () => [answers, latency].forEach((each) => each.draw()));
  return (point) => [answers, latency].forEach((each) => each.add(point));
}

const styleOf = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

class LiveChart {
  #Plot;
  #place;
  #legend;
  #series;
  #format;
  #plot = null;
  #columns;

  constructor(Plot, name, series, format) {
    this.#Plot = Plot;
    this.#place = find(`${name}-chart`);
    this.#legend = find(`${name}-legend`);
    this.#series = series;
    this.#format = format;
    this.#columns = [[], ...series.map(() => [])];
    this.#writeLegend();
    this.draw();
    new ResizeObserver(() => this.#plot.setSize({ width: this.#place.clientWidth, height: HEIGHT })).observe(this.#place);
  }

  /** Add a point: `at` in seconds since the epoch, and a value or null for each series. */
  add(point) {
    const [times, ...values] = this.#columns;
    times.push(point.at);
    values.forEach((each, index) => each.push(point[this.#series[index].name] ?? null));
    while (times[0] < point.at - SECONDS) this.#columns.forEach((column) => column.shift());
    this.#plot.setData(this.#columns, false);
    this.#plot.batch(() => {
      this.#plot.setScale("x", { min: point.at - SECONDS, max: point.at });
      this.#plot.setScale("y", { min: 0, max: niceAbove(Math.max(...values.flat(), 0)) });
    });
    if (this.#plot.cursor.idx == null) this.#tell(times.length - 1);
  }

  /** Redraw in the current colours. */
  draw() {
    this.#plot?.destroy();
    const grid = { stroke: styleOf("--line"), width: 1 };
    const axis = { stroke: styleOf("--muted"), grid, ticks: { show: false }, font: "12px system-ui, sans-serif" };
    const now = Date.now() / 1000;
    const options = {
      width: this.#place.clientWidth,
      height: HEIGHT,
      padding: [10, 18, 0, 0],
      legend: { show: false },
      cursor: { y: false, drag: { setScale: false, x: false, y: false }, points: { size: 8 } },
      scales: { x: { time: true, auto: false }, y: { auto: false } },
      axes: [
        { ...axis, size: 30, splits: (plot) => MARKS.map((past) => plot.scales.x.max - past), values: () => MARKS.map(ago) },
        { ...axis, size: 46, splits: (plot) => [0, 0.25, 0.5, 0.75, 1].map((share) => share * plot.scales.y.max), values: (_, values) => values.map(number) },
      ],
      series: [{}, ...this.#series.map((each) => this.#lineOf(each))],
      hooks: { setCursor: [(plot) => this.#tell(plot.cursor.idx ?? this.#columns[0].length - 1)] },
    };
    this.#plot = new this.#Plot(options, this.#columns, this.#place);
    this.#plot.setScale("x", { min: now - SECONDS, max: now });
    this.#plot.setScale("y", { min: 0, max: 10 });
  }

  #lineOf({ label, colour, isFilled, dots }) {
    const stroke = styleOf(colour);
    return {
      label,
      stroke,
      width: dots ? 0 : 2,
      fill: isFilled ? (plot) => fade(plot, stroke) : undefined,
      paths: dots ? () => null : this.#Plot.paths.spline(),
      points: { show: true, size: dots ? 7 : 5, width: 1, fill: stroke, filter: dots ? undefined : lonely },
    };
  }

  #writeLegend() {
    this.#legend.replaceChildren(...this.#series.map(({ label, colour }) => {
      const key = Object.assign(document.createElement("i"), { className: "key" });
      key.style.background = `var(${colour})`;
      const item = document.createElement("span");
      item.append(key, label, " ", document.createElement("b"));
      return item;
    }));
  }

  #tell(index) {
    const told = this.#series.map((each, position) => {
      const value = this.#columns[position + 1][index];
      const text = value == null ? "–" : this.#format(value);
      const target = this.#legend.children[position].querySelector("b");
      if (target.textContent !== text) target.textContent = text;
      return `${each.label} ${text}`;
    });
    this.#place.dataset.empty = String(this.#columns.slice(1).every((column) => column.every((value) => !value)));
    this.#place.setAttribute("aria-label", `${this.#place.parentElement.querySelector("figcaption").firstChild.textContent.trim()}: ${told.join(", ")}`);
  }
}

/** Return the indexes of values between two gaps: no line reaches them, so they need a point. */
function lonely(plot, series) {
  const values = plot.data[series];
  return [...values.keys()].filter((index) => values[index] != null && values[index - 1] == null && values[index + 1] == null);
}

function fade(plot, colour) {
  const gradient = plot.ctx.createLinearGradient(0, plot.bbox.top, 0, plot.bbox.top + plot.bbox.height);
  gradient.addColorStop(0, `${colour}55`);
  gradient.addColorStop(1, `${colour}00`);
  return gradient;
}

const ago = (past) => (past ? `${past} s` : "now");

/** Return a round number above a value, so that the scale stays still while values move. */
function niceAbove(value) {
  const power = 10 ** Math.floor(Math.log10(Math.max(value, 10)));
  return power * [1, 1.2, 1.6, 2, 2.4, 3.2, 4, 6, 8, 10, 12].find((step) => step * power >= value);
}
