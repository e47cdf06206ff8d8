// Subscribes to all widgets over one socket, and draws each new value as it is pushed.

import { connect, PushasideError } from "./pushaside.js";
import { drawBars, make } from "./drawing.js";
import { WIDGETS } from "./widgets.js";

const url = document.querySelector("meta[name=websocket-url]").content || `ws://${location.host}/v1`;
const state = document.getElementById("state");
const client = await connect(url, { connectAttempts: Infinity });

function showState() {
  const shown = document.querySelectorAll("article[data-updates]").length;
  state.textContent = client.state === "open" ? `live · ${shown} of ${WIDGETS.length} widgets` : client.state;
}

function makeCard([compute, title, draw]) {
  const content = make("div", "", "…");
  const card = make("article", draw === drawBars ? "bars" : "", make("h2", "", title), content);
  card.id = compute;
  document.getElementById("widgets").append(card);
  return { card, content };
}

async function follow(widget) {
  const [compute, , draw] = widget;
  const { card, content } = makeCard(widget);
  const subscription = client.subscribe({ compute }, { patches: true });
  const showFailure = ({ message }) => content.replaceChildren(make("p", "note", message));
  // A compute that fails now may succeed after the next change of its documents: the subscription stays.
  subscription.addEventListener("change", () => subscription.failure && showFailure(subscription.failure));
  let updates = 0;
  try {
    for await (const { data } of subscription) {
      content.replaceChildren(...draw(data));
      card.classList.remove("changed");
      if (updates > 0) requestAnimationFrame(() => card.classList.add("changed"));
      updates += 1;
      card.dataset.updates = updates;
      showState();
    }
  } catch (error) {
    if (!(error instanceof PushasideError)) throw error;
    showFailure(error);
  }
}

client.addEventListener("statechange", showState);
await Promise.all(WIDGETS.map(follow));
