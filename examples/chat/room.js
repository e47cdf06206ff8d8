// A room: its last messages on entering, then each new one; and who is here.

import { PushasideError } from "./pushaside.js";

const HISTORY = 50;
const find = (id) => document.getElementById(id);

function make(tag, text, className = "") {
  return Object.assign(document.createElement(tag), { textContent: text, className });
}

export class Room {
  #about;
  #service;
  #subscription = null;
  #left = new AbortController();
  #here = new Set();

  constructor(about, service) {
    this.#about = about;
    this.#service = service;
  }

  get topic() {
    return this.#about.topic;
  }

  async enter() {
    find("title").textContent = this.#about.title;
    find("about").textContent = this.#about.about;
    find("messages").replaceChildren();
    const { position, presence = [] } = await this.#look();
    if (this.#left.signal.aborted) return;
    this.#here = new Set(presence.map(({ principal }) => principal));
    // A position is an epoch and a count of messages: a lower count asks for the messages after it.
    const [epoch, count] = position.split(":");
    const since = `${epoch}:${Math.max(0, Number(count) - HISTORY)}`;
    this.#subscription = this.#service.client.subscribe(this.topic, { since, signal: this.#left.signal });
    this.#subscription.addEventListener("presence", ({ detail }) => this.#showPresence(detail));
    for await (const { data, isResync } of this.#subscription) {
      if (isResync) find("messages").replaceChildren(make("li", "Earlier messages are no longer kept.", "note"));
      if (data) this.#show(data);
    }
  }

  leave() {
    this.#left.abort();
  }

  async publish(text) {
    const message = { name: this.#service.name, text, at: new Date().toISOString() };
    await this.#service.client.publish(this.topic, message);
  }

  /** Read the room's position and presence over HTTP: `presence` on the socket only says who comes and goes. */
  async #look() {
    const { http, token } = this.#service;
    const headers = token ? { Authorization: `Bearer ${token}` } : {};
    const response = await fetch(`${http}topics/${encodeURIComponent(this.topic)}`, { headers }).catch(() => {
      throw new PushasideError("unreachable", "The room cannot be reached. Choose it again.");
    });
    const answer = await response.json();
    if (!response.ok) throw new PushasideError(answer.code ?? "internal", answer.detail ?? "The room cannot be read.");
    return answer;
  }

  #showPresence({ count, joined, left }) {
    for (const principal of joined) this.#here.add(principal);
    for (const principal of left) this.#here.delete(principal);
    find("count").textContent = count === 1 ? "1 connection" : `${count} connections`;
    find("here").replaceChildren(...[...this.#here].sort().map((principal) => make("li", principal)));
  }

  #show({ name, text, at }) {
    const item = make("li", "");
    item.append(make("b", `${name} `), text, make("time", new Date(at).toLocaleTimeString([], { timeStyle: "short" })));
    find("messages").append(item);
    item.scrollIntoView({ block: "nearest" });
  }
}
