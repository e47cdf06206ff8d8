// Asks for two results at once, shows them, and asks again every half minute: mostly a hit, which costs nothing.

import { connect, PushasideError } from "./pushaside.js";

const AGAIN_MS = 30_000;
const find = (id) => document.getElementById(id);
const url = document.querySelector("meta[name=websocket-url]").content || `ws://${location.host}/v1`;
const client = await connect(url, { connectAttempts: Infinity });
let asking;

function showOrigin(name, { cache, ageMs }) {
  find(`origin-of-${name}`).textContent = `${cache} · ${Math.round(ageMs / 1000)} s old`;
}

function showNow({ data }) {
  find("celsius").textContent = `${data.celsius} °C`;
  find("now").textContent = `${data.place} · wind ${data.wind_kmh} km/h · at ${data.measured_at.slice(11)} UTC`;
}

function showDays({ data }) {
  const rows = data.days.map(({ day, low, high }) => {
    const row = document.createElement("tr");
    const name = new Date(day).toLocaleDateString("en", { weekday: "long", day: "numeric", month: "long", timeZone: "UTC" });
    for (const text of [name, `${low} °C`, `${high} °C`]) row.insertCell().textContent = text;
    return row;
  });
  find("days").replaceChildren(...rows);
}

async function ask(place) {
  clearTimeout(asking);
  try {
    const [now, days] = await Promise.all([client.request("current", { place }), client.request("forecast", { place })]);
    showNow(now);
    showDays(days);
    showOrigin("current", now);
    showOrigin("forecast", days);
    find("error").hidden = true;
  } catch (error) {
    if (!(error instanceof PushasideError)) throw error;
    find("error").textContent = error.message;
    find("error").hidden = false;
    if (!error.retryable) return;
  }
  asking = setTimeout(() => ask(place), AGAIN_MS);
}

document.querySelector("form").addEventListener("submit", (event) => {
  event.preventDefault();
  ask(find("place").value.trim());
});
await ask(find("place").value);
