// Joins the chat: the list of rooms is a live result, and each room is a channel.

import { connect, PushasideError } from "./pushaside.js";
import { Room } from "./room.js";

const find = (id) => document.getElementById(id);
const meta = (name) => document.querySelector(`meta[name=${name}]`).content;
const http = meta("http-url") || `${location.origin}/`;
let room = null;

async function join(name, token) {
  const client = await connect(meta("websocket-url") || `ws://${location.host}/v1`, { token, connectAttempts: 2 });
  find("join").hidden = true;
  find("chat").hidden = false;
  client.addEventListener("statechange", () => (find("state").textContent = client.state));
  const enter = (chosen) => {
    room?.leave();
    room = new Room(chosen, { client, http, token, name });
    for (const button of document.querySelectorAll("nav button"))
      button.ariaCurrent = String(button.dataset.topic === chosen.topic);
    room.enter();
  };
  find("write").addEventListener("submit", (event) => {
    event.preventDefault();
    room.publish(find("text").value);
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
  try {
    await join(find("name").value.trim(), find("token").value.trim() || undefined);
  } catch (error) {
    if (!(error instanceof PushasideError)) throw error;
    find("refused").textContent = error.message;
  }
});
