/** Connects the live page, and sets up its panels. */

import { setUpAirports } from "./airports.js";
import { setUpCharts } from "./charts.js";
import { setUpComputes } from "./computes.js";
import { Connection } from "./connection.js";
import { find, write } from "./dom.js";
import { Durations } from "./figures.js";
import { setUpLeaderboard } from "./leaderboard.js";
import { setUpMessages } from "./messages.js";
import { setUpRates } from "./rates.js";

const scheme = location.protocol === "https:" ? "wss" : "ws";
const url = `${scheme}://${location.host}/${document.documentElement.dataset.stage}`;

const connection = new Connection(url);
const durations = new Durations();
const scoreTimes = new Durations();

const { application } = document.documentElement.dataset;
let hasDemo = false;

write(find("address"), url);
if (application) write(find("headline"), application);
else find("charts").after(find("computes"));

/** Set up the demo's panels, once the computes that they need are on offer. */
function showDemo() {
  if (hasDemo) return;
  hasDemo = true;
  document.body.classList.add("has-demo");
  setUpAirports(connection, durations);
  setUpLeaderboard(connection, scoreTimes);
}

const onStats = setUpComputes(connection, durations, (computes) => {
  const names = new Set(computes.map(({ name }) => name));
  if (names.has("documents") && names.has("leaderboard")) showDemo();
});
if (!application) showDemo();
setUpMessages(url);
connection.open();
setUpRates(connection, durations, scoreTimes, await setUpCharts(), onStats);
