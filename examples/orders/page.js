// Signs in with a token, then shows a customer its orders, or staff everybody's.

import { createElement as h, useState } from "react";
import { createRoot } from "react-dom/client";
import { PushasideError } from "./pushaside.js";
import { PushasideProvider, useConnectionState } from "./react.js";
import { CustomerView } from "./customer.js";
import { StaffView } from "./staff.js";

const meta = (name) => document.querySelector(`meta[name=${name}]`).content;
const websocketUrl = meta("websocket-url") || `ws://${location.host}/v1`;
const httpUrl = meta("http-url") || `${location.origin}/`;

/** Trade the token for a ticket, which opens one connection. Unlike a handshake, this says why a token is refused. */
async function ticketUrl(token) {
  const headers = { Authorization: `Bearer ${token}` };
  const response = await fetch(`${httpUrl.replace(/\/$/, "")}/tickets`, { method: "POST", headers });
  const { ticket, detail } = await response.json();
  if (response.status === 401) throw new PushasideError("unauthorized", `${detail} Sign out, and in again.`);
  return `${websocketUrl}?ticket=${ticket}`;
}

/** Return the claims of a token. The service verifies them; the page only greets by them. */
function readClaims(token) {
  try {
    return JSON.parse(atob(token.split(".")[1].replaceAll("-", "+").replaceAll("_", "/")));
  } catch {
    return null;
  }
}

function App() {
  const [token, setToken] = useState(sessionStorage.getItem("token") ?? "");
  const claims = readClaims(token);
  const signIn = (given) => {
    sessionStorage.setItem("token", given);
    setToken(given);
  };
  if (!claims) return h(SignIn, { isRefused: token !== "", signIn });
  return h(PushasideProvider, { key: token, url: () => ticketUrl(token) }, h(Tracker, { claims, signOut: () => signIn("") }));
}

function SignIn({ isRefused, signIn }) {
  const submit = (event) => {
    event.preventDefault();
    signIn(new FormData(event.target).get("token").trim());
  };
  return h("form", { onSubmit: submit },
    h("h1", {}, "Orders"),
    h("label", {}, "Token", h("input", { name: "token", required: true, autoComplete: "off" })),
    h("button", {}, "Sign in"),
    isRefused && h("p", { role: "alert" }, "This is not a token. `pushaside token` makes one."));
}

function Tracker({ claims, signOut }) {
  const state = useConnectionState();
  const isStaff = claims.role === "staff";
  return h("main", {},
    h("header", {},
      h("h1", {}, isStaff ? "All orders" : "Your orders"),
      h("p", { className: state }, `${claims.sub} · ${state === "open" ? "live" : state}`),
      h("button", { onClick: signOut }, "Sign out")),
    h(isStaff ? StaffView : CustomerView, { customer: claims.sub }));
}

createRoot(document.getElementById("root")).render(h(App));
