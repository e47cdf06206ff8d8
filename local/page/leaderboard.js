/** The panel "Live leaderboard": writes scores to the table, and shows and times the updates that are pushed. */

import { count, element, find, milliseconds, prefersStillness, showError, write } from "./dom.js";
import { STATES, stateName } from "./states.js";

const BOARD = { compute: "leaderboard", params: { board: "demo", top: 10 } };
const MOVE = { duration: 450, easing: "cubic-bezier(.2,.8,.2,1)" };
const PLAY_MS = 800;
const PATIENCE_MS = 5000;
const OWN_POINTS = 10;

export function setUpLeaderboard(connection, scoreTimes) {
  const clicks = new Clicks(scoreTimes);
  const hasDemo = document.documentElement.dataset.demo === "yes";
  const score = (member, points) => clicks.score(member, points);
  let playing = 0;

  const play = (isOn) => {
    clearInterval(playing);
    find("play").setAttribute("aria-pressed", String(isOn));
    find("board-said").setAttribute("aria-live", isOn ? "off" : "polite"); // too many for a screen reader
    write(find("play"), isOn ? "Stop playing" : "Auto-play");
    playing = isOn ? setInterval(() => connection.isOpen && !document.hidden && score(...anyMove()), PLAY_MS) : 0;
  };

  find("score-form").hidden = find("path").hidden = find("board-said").hidden = !hasDemo;
  find("members").append(...Object.entries(STATES).map(([id, name]) => element("option", { value: name })));
  find("play").addEventListener("click", () => play(!playing));
  find("score-form").addEventListener("submit", (event) => {
    event.preventDefault();
    score(memberOf(find("member").value), Number(find("points").value));
  });
  connection.addEventListener("change", () => enable(connection.isOpen));
  connection.addEventListener("client", () => follow(connection.client, clicks, hasDemo ? score : null));
}

/** Enable the buttons only while updates can arrive. */
function enable(isOpen) {
  for (const button of find("leaderboard").querySelectorAll("button")) button.disabled = !isOpen && button.id !== "play";
}

/** Show the board and each of its updates until the client closes. */
async function follow(client, clicks, score) {
  try {
    const board = client.subscribe(BOARD);
    await board.ready();
    if (board.value) show(board.value, score);
    for await (const { data } of board) {
      showError(find("board-error"), board.failure);
      if (!data) continue;
      const at = performance.now();
      show(data, score);
      clicks.seen(data, at);
    }
  } catch (error) {
    if (error.code !== "closed") showError(find("board-error"), error);
  }
}

// Rows

function show(places, score) {
  const list = find("board");
  const most = Math.max(1, ...places.map((place) => place.score));
  const before = new Map([...list.children].map((row) => [row.dataset.member, row]));
  const tops = new Map([...before].map(([member, row]) => [member, row.offsetTop]));
  const focused = document.activeElement;
  const rows = places.map((place) => fill(before.get(place.member) ?? makeRow(place.member, score), place, most));
  if (rows.some((row, index) => list.children[index] !== row) || rows.length !== list.children.length) list.replaceChildren(...rows);
  if (focused?.isConnected && focused !== document.activeElement) focused.focus({ preventScroll: true });
  move(rows, tops);
  find("board-empty").hidden = places.length > 0;
  write(find("board-empty"), "There are no scores yet.");
}

function makeRow(member, score) {
  const name = stateName(member);
  const row = element("li", { className: "place" });
  row.dataset.member = member;
  row.append(
    element("span", { className: "rank" }),
    element("span", { className: "name" }, name),
    element("span", { className: "meter", "aria-hidden": "true" }, element("span")),
    element("span", { className: "score" }),
  );
  if (score) {
    const button = element("button", { type: "button", className: "small", "aria-label": `${OWN_POINTS} points for ${name}` }, `+${OWN_POINTS}`);
    button.addEventListener("click", () => score(member, OWN_POINTS));
    row.append(button);
  }
  return row;
}

function fill(row, { rank, score }, most) {
  const [rankCell, , meter, scoreCell] = row.children;
  const isChanged = scoreCell.textContent && scoreCell.textContent !== count(score);
  write(rankCell, String(rank));
  write(scoreCell, count(score));
  meter.firstChild.style.width = `${Math.max(0, (100 * score) / most)}%`;
  if (isChanged && !prefersStillness()) row.animate([{ backgroundColor: "var(--flash)" }, {}], { duration: 1200, easing: "ease-out" });
  return row;
}

/** Animate rows from their former places to their new ones. */
function move(rows, tops) {
  if (prefersStillness()) return;
  for (const row of rows) {
    const top = tops.get(row.dataset.member);
    if (top === undefined) {
      if (tops.size) row.animate([{ opacity: 0, transform: "translateY(12px)" }, {}], MOVE);
    } else if (top !== row.offsetTop) row.animate([{ transform: `translateY(${top - row.offsetTop}px)` }, {}], MOVE);
  }
}

// Scores

const BY_NAME = new Map(Object.entries(STATES).map(([id, name]) => [name.toLowerCase(), id]));
const memberOf = (typed) => BY_NAME.get(typed.trim().toLowerCase()) ?? typed.trim();

function anyMove() {
  const rows = [...find("board").children];
  const row = rows[Math.floor(Math.random() * rows.length * 0.999)];
  return [row?.dataset.member ?? "TX", 5 + Math.floor(Math.random() * 30)];
}

/** Measures the time from a click until the update with its score is on the screen. */
class Clicks {
  #times;
  #waiting = new Set();
  /** The time at which each score was first seen: an update may overtake the answer to its click. */
  #seenAt = new Map();

  constructor(times) {
    this.#times = times;
  }

  async score(member, points) {
    const click = { member, points, at: performance.now(), score: null };
    find("path").classList.add("is-under-way");
    try {
      const { score } = await writeScore(member, points);
      click.score = score;
    } catch (error) {
      find("path").classList.remove("is-under-way");
      return showError(find("board-error"), error);
    }
    showError(find("board-error"), null);
    this.#waiting.add(click);
    this.#settle();
    setTimeout(() => this.#giveUp(click), PATIENCE_MS);
  }

  seen(places, at) {
    for (const { member, score } of places) {
      const name = `${member} ${score}`;
      if (!this.#seenAt.has(name)) this.#seenAt.set(name, { member, score, at });
    }
    this.#settle();
    for (const [name, each] of this.#seenAt) if (at - each.at > 2 * PATIENCE_MS) this.#seenAt.delete(name);
  }

  /** Finish the clicks whose score has arrived. A live result may skip values, so a later score counts as well. */
  #settle() {
    for (const click of this.#waiting) {
      const tells = ({ member, score, at }) =>
        member === click.member && at >= click.at && (click.points > 0 ? score >= click.score : score <= click.score);
      const found = [...this.#seenAt.values()].find(tells);
      if (found) this.#done(click, found.at - click.at);
    }
  }

  #done(click, ms) {
    this.#waiting.delete(click);
    this.#times.note(ms);
    if (!this.#waiting.size) find("path").classList.remove("is-under-way");
    write(find("path-ms"), milliseconds(ms));
    write(find("board-said"), `${stateName(click.member)} has ${count(click.score)}: ${milliseconds(ms)} from the click to the screen.`);
  }

  #giveUp(click) {
    if (!this.#waiting.delete(click)) return;
    if (!this.#waiting.size) find("path").classList.remove("is-under-way");
    write(find("board-said"), `${stateName(click.member)} has ${count(click.score)}, which is not in the top ten.`);
  }
}

async function writeScore(member, points) {
  const headers = { "Content-Type": "application/json" };
  let response;
  try {
    response = await fetch("/_local/demo/score", { method: "POST", headers, body: JSON.stringify({ member, points }) });
  } catch {
    throw new Error("The runtime cannot be reached. Is it running?");
  }
  const answer = await response.json();
  if (!response.ok) throw new Error(answer.message);
  return answer;
}
