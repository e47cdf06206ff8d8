/** Connects the live page, and sets up its panels. */

import { setUpAirports } from "./airports.js";
import { setUpCharts } from "./charts.js";
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

write(find("address"), url);
setUpAirports(connection, durations);
setUpLeaderboard(connection, scoreTimes);
setUpMessages(url);
connection.open();
setUpRates(connection, durations, scoreTimes, await setUpCharts());
