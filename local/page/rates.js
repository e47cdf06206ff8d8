/** The tiles with the runtime's own numbers, read once a second, and the load that the page can make. */

import { askFor } from "./airports.js";
import { count, element, find, number, percent, seconds, write } from "./dom.js";
import { Rates, sum } from "./figures.js";
import { STATES } from "./states.js";

const POLL_MS = 1000;
const SPARKS = 60;
const MOST_UNANSWERED = 200;
const TIERS = { l1: "L1", redis: "Redis" };
const SVG = "http://www.w3.org/2000/svg";

const TILES = [
  { name: "messages", title: "Messages", unit: "/s" },
  { name: "cache", title: "From the cache" },
  { name: "computes", title: "Computes", unit: "/s" },
  { name: "pushes", title: "Pushes", unit: "/s" },
  { name: "queued", title: "Waiting in queues" },
  { name: "connections", title: "Connections" },
];

/** Set up the tiles. `onStats` is called with each reading of the runtime's numbers. */
export function setUpRates(connection, durations, scoreTimes, addPoint, onStats) {
  const tiles = Object.fromEntries(TILES.map((tile) => [tile.name, new Tile(tile)]));
  find("tiles").append(...Object.values(tiles).map((tile) => tile.root));
  const rates = new Rates();
  const recent = new Recent();

  async function look() {
    const stats = await readStats();
    document.body.classList.toggle("has-no-stats", !stats);
    if (!stats) {
      rates.forget();
      addPoint({ at: Date.now() / 1000 });
      return;
    }
    onStats(stats);
    const totals = totalsOf(stats);
    const perSecond = rates.of(totals, performance.now());
    recent.add(totals);
    showTiles(tiles, stats, totals, perSecond, recent);
    write(find("uptime"), `Started ${seconds(stats.uptime_seconds)} ago.`);
    const { p50, p99 } = durations.take();
    const { p50: push } = scoreTimes.take();
    addPoint({ at: Date.now() / 1000, p50, p99, push, ...(perSecond && answersOf(perSecond)) });
  }

  repeat(look, POLL_MS);
  setUpPace(connection, durations);
}

/** Call repeatedly, one call at a time, and only while the page is visible. */
async function repeat(act, ms) {
  for (;;) {
    const started = performance.now();
    if (!document.hidden) await act();
    await new Promise((done) => setTimeout(done, Math.max(50, ms - (performance.now() - started))));
  }
}

async function readStats() {
  try {
    const response = await fetch("/_local/stats", { signal: AbortSignal.timeout(5000) });
    return response.ok ? await response.json() : null;
  } catch {
    return null; // the light shows a lost runtime
  }
}

function totalsOf({ cache, computes, pushes, messages }) {
  const tiers = Object.fromEntries(Object.entries(cache.hits).map(([tier, hits]) => [`tier ${tier}`, hits]));
  return {
    ...tiers,
    hit: sum(Object.values(cache.hits)),
    stale: cache.stale,
    miss: cache.misses,
    computes: sum(Object.values(computes)),
    pushes: sum(Object.values(pushes)),
    messages: messages.in,
  };
}

const answersOf = ({ hit, stale, miss }) => ({ hit, stale, miss });

/** Keeps the totals of the last minute, from which the cache's shares are computed. */
class Recent {
  #totals = [];

  add(totals) {
    const last = this.#totals.at(-1);
    if (last && totals.messages < last.messages) this.#totals = []; // the runtime was restarted
    this.#totals.push(totals);
    if (this.#totals.length > SPARKS) this.#totals.shift();
  }

  /** The increase of each total in that time. */
  get gained() {
    const [first, last] = [this.#totals[0], this.#totals.at(-1)];
    return Object.fromEntries(Object.entries(last).map(([name, total]) => [name, total - (first[name] ?? 0)]));
  }
}

function showTiles(tiles, stats, totals, perSecond, recent) {
  const rate = (name) => perSecond?.[name] ?? 0;
  tiles.messages.show(number(rate("messages")), `${count(totals.messages)} so far`, rate("messages"));
  tiles.computes.show(number(rate("computes")), `${count(totals.computes)} so far`, rate("computes"));
  tiles.pushes.show(number(rate("pushes")), `${count(totals.pushes)} so far`, rate("pushes"));
  showCache(tiles.cache, totals, recent.gained);
  const queues = Object.entries(stats.queues).filter(([name]) => !name.includes("DeadLetter"));
  const waiting = sum(queues.map(([, depth]) => depth.visible + depth.in_flight));
  const dead = sum(queues.map(([, depth]) => depth.dead));
  const longest = queues.sort(([, one], [, other]) => other.visible + other.in_flight - one.visible - one.in_flight)[0];
  const where = waiting ? `most in ${longest[0]}` : "none";
  tiles.queued.show(count(waiting), dead ? `${count(dead)} dead letters` : where, waiting);
  const { workers } = stats.processes;
  tiles.connections.show(count(stats.connections), `${count(workers.length)} function processes`, stats.connections);
}

function showCache(tile, totals, lately) {
  const of = lately.hit + lately.stale + lately.miss > 0 ? lately : totals;
  const asked = of.hit + of.stale + of.miss;
  const tiers = Object.entries(of).filter(([name]) => name.startsWith("tier "));
  const told = tiers.map(([name, hits]) => `${TIERS[name.slice(5)] ?? name.slice(5)} ${percent(hits / asked)}`);
  if (of.stale) told.push(`stale ${percent(of.stale / asked)}`);
  const shares = [...tiers.map(([name, hits]) => [name.slice(5), hits]), ["stale", of.stale]];
  const note = told.join(", ") || `${count(of.miss)} computed`;
  tile.show(asked ? percent((of.hit + of.stale) / asked) : "–", asked ? note : "no requests yet");
  tile.showShares(asked ? shares.map(([name, share]) => [name, share / asked]) : []);
}

/** A tile: one number, a note, and a chart of the last minute. */
class Tile {
  #value = element("b");
  #note = element("span", { className: "tile-note" });
  #chart = element("span", { className: "spark", "aria-hidden": "true" });
  #line = document.createElementNS(SVG, "polyline");
  #past = [];

  constructor({ name, title, unit }) {
    this.root = element("div", { className: "tile", id: `tile-${name}` });
    const value = element("p", { className: "tile-value" }, this.#value, unit ? element("small", {}, unit) : "");
    this.root.append(element("h3", {}, title), value, this.#note, this.#chart);
    write(this.#value, "–");
  }

  show(value, note, past) {
    write(this.#value, value);
    write(this.#note, note);
    if (past !== undefined) this.#spark(past);
  }

  showShares(shares) {
    this.#chart.className = "shares";
    this.#chart.replaceChildren(...shares.filter(([, share]) => share > 0).map(([name, share]) => {
      const part = element("span");
      part.dataset.part = name;
      part.style.flexGrow = String(share);
      return part;
    }));
  }

  #spark(value) {
    if (!this.#chart.firstChild) {
      const svg = document.createElementNS(SVG, "svg");
      svg.setAttribute("viewBox", `0 0 ${SPARKS - 1} 20`);
      svg.setAttribute("preserveAspectRatio", "none");
      svg.append(this.#line);
      this.#chart.append(svg);
    }
    this.#past.push(value);
    if (this.#past.length > SPARKS) this.#past.shift();
    const most = Math.max(1, ...this.#past);
    const from = SPARKS - this.#past.length;
    this.#line.setAttribute("points", this.#past.map((each, index) => `${from + index},${(19 - (18 * each) / most).toFixed(1)}`).join(" "));
  }
}

/** Request the results of random states at a steady pace. */
function setUpPace(connection, durations) {
  const states = Object.keys(STATES);
  let perSecond = 0;
  let unanswered = 0;
  let owed = 0;
  let before = performance.now();

  const ask = async () => {
    unanswered += 1;
    try {
      await askFor(connection.client, states[Math.floor(Math.random() * states.length)], durations);
    } catch {
      // the numbers show errors, and the light shows a lost connection
    } finally {
      unanswered -= 1;
    }
  };
  setInterval(() => {
    const now = performance.now();
    owed = Math.min(perSecond, owed + ((now - before) / 1000) * perSecond);
    before = now;
    for (; owed >= 1; owed -= 1) if (connection.isOpen && !document.hidden && unanswered < MOST_UNANSWERED) ask();
  }, 20);
  find("pace").addEventListener("change", (event) => {
    perSecond = Number(event.target.value);
    owed = 0;
  });
}

