/** The panel "Airports by state": one request or a thousand, with the source and the time of the answers. */

import { count, element, find, milliseconds, percent, seconds, sentenceOf, showError, write } from "./dom.js";
import { summarize } from "./figures.js";
import { QUICK, STATES, stateName } from "./states.js";

const BURST = 1000;
const AT_A_TIME = 8;
const FIRST = "TX";

const paramsOf = (state) => ({ collection: "airports", ids: [state] });

/** Request a state's airports, and note the time in `durations`. */
export async function askFor(client, state, durations, options = {}) {
  const started = performance.now();
  const result = await client.request("documents", paramsOf(state), { deadline: 20, ...options });
  const ms = performance.now() - started;
  durations.note(ms);
  return { result, ms };
}

export function setUpAirports(connection, durations) {
  const select = find("state");
  const buttons = ["ask", "recompute", "burst"].map(find);
  let asked = null;
  let burst = null;

  const enable = () => {
    for (const button of buttons) button.disabled = !connection.isOpen && !(button.id === "burst" && burst);
    for (const chip of find("quick").children) chip.disabled = !connection.isOpen;
  };

  async function ask(state, options) {
    asked?.abort();
    const abort = (asked = new AbortController());
    select.value = state;
    markChosen(state);
    find("airports").setAttribute("aria-busy", "true");
    try {
      const { result, ms } = await askFor(connection.client, state, durations, { ...options, signal: abort.signal });
      showAnswer(state, result, ms);
    } catch (error) {
      if (!abort.signal.aborted) showFailure(error);
    } finally {
      if (asked === abort) find("airports").removeAttribute("aria-busy");
    }
  }

  async function runBurst() {
    if (burst) return burst.abort();
    burst = new AbortController();
    write(find("burst"), "Stop");
    find("burst-progress").hidden = false;
    write(find("burst-result"), `Requesting ${stateName(select.value)}.`);
    try {
      await askOften(connection.client, select.value, durations, burst.signal);
    } catch (error) {
      write(find("burst-result"), burst.signal.aborted ? "Stopped." : sentenceOf(error));
    } finally {
      burst = null;
      write(find("burst"), "Ask 1,000 times");
      find("burst-progress").hidden = true;
      enable();
    }
  }

  select.append(...Object.entries(STATES).map(([id, name]) => element("option", { value: id }, name)));
  find("quick").append(...QUICK.map((id) => {
    const chip = element("button", { type: "button", className: "chip", value: id, disabled: true }, stateName(id));
    chip.addEventListener("click", () => ask(id));
    return chip;
  }));
  select.value = FIRST;
  markChosen(FIRST);
  select.addEventListener("change", () => connection.isOpen && ask(select.value));
  find("ask-form").addEventListener("submit", (event) => {
    event.preventDefault();
    ask(select.value);
  });
  find("recompute").addEventListener("click", () => ask(select.value, { maxAge: 0 }));
  find("burst").addEventListener("click", runBurst);
  connection.addEventListener("change", enable);
  connection.addEventListener("client", () => {
    enable();
    if (find("answer").hidden) ask(select.value);
  });
}

function markChosen(state) {
  for (const chip of find("quick").children) chip.setAttribute("aria-pressed", String(chip.value === state));
}

function showAnswer(state, { data, cache, ageMs, etag }, ms) {
  showError(find("answer-error"), null);
  find("answer").hidden = false;
  find("answer-empty").hidden = data.length > 0;
  write(find("answer-empty"), "This state has no airports.");
  write(find("ask"), "Ask again");
  write(find("answer-count"), count(data.length));
  write(find("answer-ms"), milliseconds(ms));
  const badge = find("answer-cache");
  badge.dataset.cache = cache;
  write(badge, cache);
  write(find("answer-age"), ageMs < 1000 ? "just now" : `${seconds(ageMs / 1000)} ago`);
  write(find("answer-etag"), etag);
  find("answer-rows").replaceChildren(...data.map(toRow));
  find("answer").querySelector(".scroll").scrollTop = 0;
  write(find("answer-said"), `${stateName(state)}: ${count(data.length)} airports in ${milliseconds(ms)}, ${cache}.`);
}

const toRow = ({ name, city, iata }) =>
  element("tr", {}, element("td", {}, name ?? "–"), element("td", {}, city ?? "–"), element("td", {}, element("code", {}, iata ?? "–")));

function showFailure(error) {
  const isAbsent = error.code === "not_found" && document.documentElement.dataset.demo !== "yes";
  const hint = isAbsent ? { message: "There is no demo data. Start the runtime with --demo, as `make run` does." } : error;
  showError(find("answer-error"), hint);
  find("answer").hidden = find("answer-empty").hidden = true;
}

/** Make the same request BURST times, AT_A_TIME at once, and show the rate and the times. */
async function askOften(client, state, durations, signal) {
  const caches = { hit: 0, stale: 0, miss: 0 };
  const taken = [];
  const started = performance.now();
  let left = BURST;
  const askInTurn = async () => {
    while (left-- > 0) {
      signal.throwIfAborted();
      const { result, ms } = await askFor(client, state, durations, { signal });
      caches[result.cache] += 1;
      taken.push(ms);
      find("burst-progress").value = taken.length;
    }
  };
  await Promise.all(Array.from({ length: AT_A_TIME }, askInTurn));
  showBurst(taken, caches, (performance.now() - started) / 1000);
}

function showBurst(taken, caches, elapsed) {
  const { p50, p99 } = summarize(taken);
  const rate = element("strong", {}, `${count(caches.hit / elapsed)} hits/s`);
  const spread = element("span", {}, `p50 ${milliseconds(p50)}, p99 ${milliseconds(p99)}`);
  find("burst-result").replaceChildren(rate, " · ", spread, ` · ${percent(caches.hit / taken.length)} from the cache, in ${elapsed.toFixed(2)} s`);
}
