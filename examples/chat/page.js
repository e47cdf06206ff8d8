// Joins the chat: the list of rooms is a live result, and each room is a channel.

import { connect, PushasideError } from "./pushaside.js";
import { Room } from "./room.js";

const find = (id) => document.getElementById(id);
const meta = (name) => document.querySelector(`meta[name=${name}]`).content;
const http = meta("http-url") || `${location.origin}/`;
let room = null;

/** Return the handler of a failure: the service's own errors are sentences for people. */
const showIn = (id) => (error) => {
  if (!(error instanceof PushasideError)) throw error;
  find(id).textContent = error.message;
};

async function join(client, name, token) {
  find("join").hidden = true;
  find("chat").hidden = false;
  client.addEventListener("statechange", () => (find("state").textContent = client.state));
  const enter = (chosen) => {
    room?.leave();
    room = new Room(chosen, { client, http, token, name });
    for (const button of document.querySelectorAll("nav button"))
      button.ariaCurrent = String(button.dataset.topic === chosen.topic);
    room.enter().catch(showIn("about"));
  };
  find("write").addEventListener("submit", (event) => {
    event.preventDefault();
    room?.publish(find("text").value).catch(showIn("about"));
    find("text").value = "";
  });
  for await (const { data } of client.subscribe({ compute: "rooms" })) {
    find("rooms").replaceChildren(...data.map((each) => makeButton(each, enter)));
    if (!room && data.length) enter(data[0]);
  }
}

function makeButton(each, enter) {
  const button = document.createElement("button");
  Object.assign(button, { textContent: each.title, ariaCurrent: String(room?.topic === each.topic) });
  button.dataset.topic = each.topic;
  button.addEventListener("click", () => enter(each));
  const item = document.createElement("li");
  item.append(button);
  return item;
}

find("join").addEventListener("submit", async (event) => {
  event.preventDefault();
  find("refused").textContent = "";
  const token = find("token").value.trim() || undefined;
  const url = meta("websocket-url") || `ws://${location.host}/v1`;
  const client = await connect(url, { token, connectAttempts: 2 }).catch(showIn("refused"));
  if (client) join(client, find("name").value.trim(), token).catch(showIn("state"));
});
