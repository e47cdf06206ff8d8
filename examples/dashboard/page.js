// Subscribes to all widgets over one socket, and draws each new value as it is pushed.

import { connect } from "./pushaside.js";
import { drawBars, make } from "./drawing.js";
import { WIDGETS } from "./widgets.js";

const url = document.querySelector("meta[name=websocket-url]").content || `ws://${location.host}/v1`;
const state = document.getElementById("state");
const client = await connect(url);

function showState() {
  const shown = document.querySelectorAll("article[data-updates]").length;
  state.textContent = client.state === "open" ? `live · ${shown} of ${WIDGETS.length} widgets` : client.state;
}

async function follow([compute, title, draw]) {
  const content = make("div", "", "…");
  const card = make("article", draw === drawBars ? "bars" : "", make("h2", "", title), content);
  card.id = compute;
  document.getElementById("widgets").append(card);
  const subscription = client.subscribe({ compute }, { patches: true });
  subscription.addEventListener("change", () => {
    if (subscription.failure) content.replaceChildren(make("p", "note", subscription.failure.message));
  });
  let updates = 0;
  for await (const { data } of subscription) {
    content.replaceChildren(...draw(data));
    card.classList.remove("changed");
    if (updates > 0) requestAnimationFrame(() => card.classList.add("changed"));
    updates += 1;
    card.dataset.updates = updates;
    showState();
  }
}

client.addEventListener("statechange", showState);
await Promise.all(WIDGETS.map(follow));
