/** The page's one connection, and the light that shows its state. */

import { Client } from "./pushaside.js";
import { find, seconds, write } from "./dom.js";

/** The service is on this machine: frequent reconnects cost little, and gzip costs more than it saves. */
const NEARBY = { backoffBaseSeconds: 0.25, backoffCapSeconds: 2, connectAttempts: 4, acceptGzip: false };
const RETRY_SECONDS = 5;

/**
 * Holds a client, and makes another one if a client cannot connect. Dispatches `client` when a new client is open, and
 * `change` when that client loses its connection or reconnects.
 */
export class Connection extends EventTarget {
  client = null;
  #url;
  #token = "";
  #lostAt = 0;
  #ticking = 0;
  #retrying = 0;

  constructor(url) {
    super();
    this.#url = url;
    find("token-form").addEventListener("submit", (event) => {
      event.preventDefault();
      this.#token = find("token").value.trim();
      this.open();
    });
  }

  get isOpen() {
    return this.client?.state === "open";
  }

  /** The token that the user gave; "" without one. */
  get token() {
    return this.#token;
  }

  async open() {
    clearTimeout(this.#retrying);
    this.client?.close();
    const client = new Client(this.#url, { ...NEARBY, token: this.#token || undefined });
    this.client = client;
    client.addEventListener("statechange", () => client === this.client && this.#show(client.state));
    this.#show("connecting");
    try {
      await client.open();
    } catch (error) {
      if (client === this.client) this.#refused(error);
      return;
    }
    if (client === this.client) this.dispatchEvent(new Event("client"));
  }

  #refused(error) {
    this.#show("closed");
    write(find("refused-why"), `${error.message} The page retries every ${RETRY_SECONDS} seconds.`);
    find("refused").hidden = false;
    this.#retrying = setTimeout(() => this.open(), RETRY_SECONDS * 1000);
  }

  #show(state) {
    clearInterval(this.#ticking);
    const light = find("light");
    // The light stays red during retries, until one succeeds.
    if (state === "connecting" && light.dataset.state === "closed") return;
    light.dataset.state = state;
    if (state === "open") find("refused").hidden = true;
    if (state === "reconnecting") this.#tick();
    else write(find("light-text"), { open: "connected", connecting: "connecting", closed: "refused" }[state]);
    document.body.classList.toggle("is-cut-off", state !== "open");
    this.dispatchEvent(new Event("change"));
  }

  #tick() {
    this.#lostAt = performance.now();
    const text = find("light-text");
    const counter = Object.assign(document.createElement("span"), { ariaHidden: "true" });
    text.replaceChildren("reconnecting ", counter);
    const show = () => write(counter, seconds((performance.now() - this.#lostAt) / 1000));
    show();
    this.#ticking = setInterval(show, 250);
  }
}
