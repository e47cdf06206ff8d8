/** One compute of the panel "Computes": what it is, the form of its params, and its answers. */

import { count, element, milliseconds, number, seconds, sentenceOf, write } from "./dom.js";
import { ParamsForm } from "./params_form.js";

const LONGEST = 50_000;
const SCOPES = {
  tenant: "each tenant has its own results",
  principal: "each caller has their own results",
  shared: "all callers share the results",
};

export class ComputePanel {
  #connection;
  #compute;
  #durations;
  #asked = null;
  #subscription = null;
  #updates = 0;

  /** Times of answers are noted in `durations`. */
  constructor(compute, connection, durations) {
    this.#compute = compute;
    this.#connection = connection;
    this.#durations = durations;
    this.form = new ParamsForm(compute);
    this.ask = element("button", { className: "primary" }, "Ask");
    this.skip = element("button", { type: "button" }, "Skip the cache");
    this.follow = element("button", { type: "button", "aria-pressed": "false" }, "Subscribe");
    this.said = element("p", { className: "muted said", role: "status" });
    this.error = element("p", { className: "note bad", role: "alert", hidden: true });
    this.facts = element("dl", { className: "facts", hidden: true });
    this.data = element("pre", { className: "data", tabIndex: 0, role: "region", "aria-label": `Result of ${compute.name}`, hidden: true });
    const buttons = element("div", { className: "row" }, this.ask, this.skip, this.follow, this.form.toggle);
    const form = element("form", { noValidate: true }, this.form.root, buttons);
    this.root = element("article", { className: "compute", "aria-labelledby": `title-of-${compute.name}` }, headOf(compute), form, this.said, this.error, this.facts, this.data);
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      this.#request();
    });
    this.skip.addEventListener("click", () => this.#request({ maxAge: 0 }));
    this.follow.addEventListener("click", () => (this.#subscription ? this.#unsubscribe() : this.#subscribe()));
    this.enable();
  }

  get compute() {
    return this.#compute;
  }

  get isLive() {
    return this.#subscription !== null;
  }

  /** Enable the buttons only while the connection is open. */
  enable() {
    for (const button of [this.ask, this.skip]) button.disabled = !this.#connection.isOpen;
    this.follow.disabled = !this.#connection.isOpen && !this.#subscription;
  }

  close() {
    this.#asked?.abort();
    this.#unsubscribe();
  }

  async #request(options = {}) {
    const params = this.form.read();
    if (params === null) return;
    this.#asked?.abort();
    const abort = (this.#asked = new AbortController());
    const started = performance.now();
    this.root.setAttribute("aria-busy", "true");
    write(this.said, "Waiting for the answer.");
    try {
      const deadline = this.#compute.timeout_seconds + 10;
      const result = await this.#connection.client.request(this.#compute.name, params, { deadline, signal: abort.signal, ...options });
      const ms = performance.now() - started;
      this.#durations.note(ms);
      this.#show(result.data, result);
      write(this.said, `Answered in ${milliseconds(ms)}: ${WORDS[result.cache]}.`);
    } catch (error) {
      if (!abort.signal.aborted) this.#fail(error);
    } finally {
      if (this.#asked === abort) this.root.removeAttribute("aria-busy");
    }
  }

  async #subscribe() {
    const params = this.form.read();
    if (params === null) return;
    const subscription = this.#connection.client.subscribe({ compute: this.#compute.name, params });
    this.#setSubscription(subscription);
    write(this.said, "Subscribing.");
    try {
      await subscription.ready();
      write(this.said, "Subscribed. Each new result appears here.");
      if (subscription.value !== null) this.#show(subscription.value, { key: subscription.topic });
      for await (const { data, etag } of subscription) {
        if (subscription.failure) {
          this.#fail(subscription.failure);
          continue;
        }
        this.#updates += 1;
        this.#show(data, { etag, key: subscription.topic });
        write(this.said, `Subscribed: ${count(this.#updates)} ${this.#updates === 1 ? "result" : "results"}, the last at ${new Date().toLocaleTimeString()}.`);
      }
    } catch (error) {
      if (subscription === this.#subscription) this.#fail(error);
    } finally {
      if (subscription === this.#subscription) this.#setSubscription(null);
    }
  }

  #unsubscribe() {
    const subscription = this.#subscription;
    this.#setSubscription(null);
    subscription?.close();
    write(this.said, subscription ? "Unsubscribed." : "");
  }

  #setSubscription(subscription) {
    this.#subscription = subscription;
    this.#updates = 0;
    write(this.follow, subscription ? "Unsubscribe" : "Subscribe");
    this.follow.setAttribute("aria-pressed", String(subscription !== null));
    this.root.classList.toggle("is-live", subscription !== null);
    this.enable();
  }

  #show(data, { cache, ageMs, etag, key } = {}) {
    this.error.hidden = true;
    const text = JSON.stringify(data, null, 2);
    const facts = [
      cache && ["from", element("span", { className: "badge", "data-cache": cache }, cache)],
      ageMs !== undefined && ["computed", ageMs < 1000 ? "just now" : `${seconds(ageMs / 1000)} ago`],
      ["characters", count(text.length)],
      etag && ["etag", element("code", {}, etag)],
    ];
    this.facts.replaceChildren(...facts.filter(Boolean).map(([term, value]) =>
      element("div", { className: term === "etag" ? "wide" : "" }, element("dt", {}, term), element("dd", {}, value))));
    if (key) this.#showDependencies(key);
    const cut = `${text.slice(0, LONGEST)}\n… the first ${count(LONGEST)} of ${count(text.length)} characters`;
    write(this.data, text.length > LONGEST ? cut : text);
    this.facts.hidden = this.data.hidden = false;
  }

  /** Add the sources that the result depends on, if no newer result is shown by then. */
  async #showDependencies(key) {
    const shown = this.facts.firstChild;
    const tags = await tagsOf(key);
    if (tags === null || this.facts.firstChild !== shown) return;
    const names = tags.length ? tags.map((tag) => element("code", {}, tag)) : ["no source: only time makes it stale"];
    this.facts.append(element("div", { className: "wide sources" }, element("dt", {}, "depends on"), element("dd", {}, ...names)));
  }

  #fail(error) {
    write(this.said, "");
    if (this.form.showError(error)) return;
    write(this.error, sentenceOf(error));
    this.error.hidden = false;
    this.facts.hidden = this.data.hidden = true;
  }
}

const WORDS = { hit: "from the cache", stale: "from the cache, and a newer result is being computed", miss: "computed for this request" };

/** Read the tags of a stored result; null if the runtime cannot read it. */
async function tagsOf(key) {
  try {
    const response = await fetch(`/_local/dependencies?key=${encodeURIComponent(key)}`, { signal: AbortSignal.timeout(5000) });
    return response.ok ? (await response.json()).tags : null;
  } catch {
    return null;
  }
}

/** Format a time that an author declared: 90 s, 5 min, 1 h. */
function lengthOf(value) {
  const [unit, size] = [["h", 3600], ["min", 60]].find(([, each]) => value >= each && value % each === 0) ?? ["s", 1];
  return `${number(value / size)} ${unit}`;
}

function headOf({ name, version, doc, scope, is_guarded, ttl_seconds, stale_ttl_seconds, timeout_seconds }) {
  const told = [
    SCOPES[scope] ?? scope,
    `fresh for ${lengthOf(ttl_seconds)}`,
    stale_ttl_seconds ? `then stale for ${lengthOf(stale_ttl_seconds)}` : "",
    `at most ${lengthOf(timeout_seconds)} of work`,
    is_guarded ? "a rule decides who may ask" : "",
  ];
  return element("header", {},
    element("h3", { id: `title-of-${name}` }, name, " ", element("span", { className: "muted version" }, `version ${version}`)),
    element("p", { className: "doc" }, doc),
    element("ul", { className: "about", "aria-label": "Scope and times" }, ...told.filter(Boolean).map((each) => element("li", {}, each))));
}
