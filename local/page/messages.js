/** The panel "Send any message": sends the text as it is, and shows every answer. */

import { element, find } from "./dom.js";

const MOST_SHOWN = 50;
const LONGEST = 4000;

const EXAMPLE = {
  action: "request",
  id: "1",
  compute: "documents",
  params: { collection: "airports", ids: ["TX", "CA"], query: "[?contains(name, `International`)].{iata: iata, name: name}" },
};
const PING = { action: "ping" };

export function setUpMessages(url) {
  const panel = find("messages");
  let socket = null;

  function open() {
    if (socket && socket.readyState <= WebSocket.OPEN) return socket;
    socket = new WebSocket(url);
    socket.addEventListener("message", ({ data }) => show("received", data));
    socket.addEventListener("close", ({ code }) => show("note", `closed (${code})`));
    return socket;
  }

  function send(text) {
    const target = open();
    const now = () => {
      show("sent", text);
      target.send(text);
    };
    if (target.readyState === WebSocket.OPEN) now();
    else target.addEventListener("open", now, { once: true });
  }

  find("message").value = JSON.stringify(document.documentElement.dataset.application ? PING : EXAMPLE, null, 2);
  find("message-form").addEventListener("submit", (event) => {
    event.preventDefault();
    send(find("message").value);
  });
  find("message-clear").addEventListener("click", () => find("message-log").replaceChildren());
  panel.addEventListener("toggle", () => panel.open || socket?.close());
}

function show(kind, text) {
  const log = find("message-log");
  const shown = text.length > LONGEST ? `${text.slice(0, LONGEST)} … (${text.length} characters)` : text;
  log.prepend(element("div", { className: kind }, element("span", { className: "muted" }, kind), element("pre", {}, shown)));
  while (log.children.length > MOST_SHOWN) log.lastChild.remove();
}
