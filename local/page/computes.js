/** The panel "Computes": every compute on offer, read again after each reload of the application. */

import { ComputePanel } from "./compute_panel.js";
import { element, find, write } from "./dom.js";

/** Set up the panel. `onOffer` is called with the names on offer whenever they are read. */
export function setUpComputes(connection, durations, onOffer) {
  const panels = new Map();
  let chosen = "";
  let reloads = null;

  async function read() {
    let computes;
    try {
      computes = await readComputes(connection.token);
    } catch (error) {
      write(find("computes-error"), error.message);
      find("computes-error").hidden = false;
      return;
    }
    find("computes-error").hidden = true;
    update(panels, computes, (compute) => new ComputePanel(compute, connection, durations));
    find("compute-list").replaceChildren(...computes.map((compute) => element("li", {}, buttonOf(compute, choose))));
    find("computes-empty").hidden = computes.length > 0;
    find("computes").hidden = false;
    choose(panels.has(chosen) ? chosen : computes[0]?.name ?? "");
    onOffer(computes);
  }

  /** Show one panel; the others keep what they hold, subscriptions included. */
  function choose(name) {
    chosen = name;
    const shown = panels.get(name)?.root;
    if (shown !== find("compute-panels").firstChild) find("compute-panels").replaceChildren(...(shown ? [shown] : []));
    for (const button of find("compute-list").querySelectorAll("button")) {
      if (button.value === name) button.setAttribute("aria-current", "true");
      else button.removeAttribute("aria-current");
    }
  }

  connection.addEventListener("client", read);
  connection.addEventListener("change", () => panels.forEach((panel) => panel.enable()));
  /** Take the state of the application from the runtime's numbers. */
  return ({ application }) => {
    showFault(application?.fault ?? null);
    if (!application) return;
    if (reloads !== null && reloads !== application.reloads) read();
    reloads = application.reloads;
  };
}

/** Keep the panels of unchanged computes, and make new ones for the others with the params that were given. */
function update(panels, computes, make) {
  const before = new Map(panels);
  panels.clear();
  for (const compute of computes) {
    const older = before.get(compute.name);
    if (older && JSON.stringify(older.compute) === JSON.stringify(compute)) panels.set(compute.name, older);
    else {
      const panel = make(compute);
      if (older) panel.form.fill(older.form.draft());
      panels.set(compute.name, panel);
    }
  }
  for (const [name, panel] of before) if (panels.get(name) !== panel) panel.close();
}

function buttonOf({ name, doc }, choose) {
  const button = element("button", { type: "button", value: name }, element("b", {}, name), element("span", { className: "muted" }, doc.split("\n")[0]));
  button.addEventListener("click", () => choose(name));
  return button;
}

async function readComputes(token) {
  const headers = token ? { Authorization: `Bearer ${token}` } : {};
  let response;
  try {
    response = await fetch("/computes", { headers });
  } catch {
    throw new Error("The runtime cannot be reached. Is it running?");
  }
  const answer = await response.json();
  if (!response.ok) throw new Error(`The list of computes cannot be read: ${answer.detail ?? answer.message ?? response.status}`);
  return answer.computes;
}

const PLACE = /^(?<file>.+), line (?<line>\d+): (?<sentence>.*)$/s;

function showFault(fault) {
  find("fault").hidden = fault === null;
  const { file, line, sentence } = PLACE.exec(fault ?? "")?.groups ?? { sentence: fault ?? "" };
  write(find("fault-place"), file ? `${file}, line ${line}` : "");
  write(find("fault-sentence"), sentence);
}
