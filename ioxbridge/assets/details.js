// The details of one entry, named by the hash of the URL: facts, properties, history, commands.

import { button, command } from "./commands.js";
import { markOf } from "./house.js";
import { state } from "./state.js";
import { $, clock, element, put, span } from "./text.js";

function detailsKey() {
  try {
    return decodeURIComponent(location.hash.slice(1));
  } catch {
    return "";
  }
}

export function show() {
  if (!$("sign-in").hidden) $("sign-in").hidden = true;
  const key = detailsKey();
  $("details").hidden = key === "";
  $("overview").hidden = key !== "";
  if (key === "") return;
  renderDetails(key);
}

export function showDetails(change) {
  const key = detailsKey();
  if (key === "") return;
  const entry = state.entries.get(key);
  const isAbout = change.type === "snapshot"
    || change.removed?.includes(key)
    || change.entries.some((each) => each.key === key)
    || change.log.some((each) => entry && each.controller === entry.controller && each.node === entry.id);
  if (isAbout) renderDetails(key);
}

function renderDetails(key) {
  const root = $("details");
  const entry = state.entries.get(key);
  const back = element("a", "", "← All");
  back.href = "#";
  if (!entry) {
    root.replaceChildren(back, element("p", "", state.entries.size ? "This is not there any more." : "Loading …"));
    return;
  }
  // Unchanged controls are not rebuilt, because a click on them could be lost.
  const offered = `${key} ${state.commands} ${entry.commands.join()}`;
  const body = root.querySelector(".details-body");
  if (root.dataset.offered === offered && body) {
    put(root.querySelector("h2"), entry.name);
    body.replaceWith(detailsBody(entry));
    return;
  }
  root.dataset.offered = offered;
  root.replaceChildren(back, element("h2", "", entry.name), controls(entry), detailsBody(entry));
}

function controls(entry) {
  const root = element("div", "details-commands");
  if (!state.commands) return root;
  for (const payload of entry.commands) {
    if (payload !== "LEVEL") root.append(button(entry.key, payload));
  }
  if (entry.commands.includes("LEVEL")) {
    const label = element("label", "", "Level ");
    const range = element("input");
    range.type = "range";
    range.min = 0;
    range.max = 100;
    range.value = parseInt(entry.value, 10) || (entry.on ? 100 : 0);
    const shown = element("output", "", `${range.value} %`);
    range.oninput = () => put(shown, `${range.value} %`);
    range.onchange = () => command(entry.key, `${range.value}%`);
    label.append(range, " ", shown);
    root.append(label);
  }
  return root;
}

function detailsBody(entry) {
  const root = element("div", "details-body");
  const facts = element("dl");
  const fact = (name, text) => {
    if (text) facts.append(element("dt", "", name), element("dd", "", text));
  };
  fact("Value", entry.value);
  fact("State", markOf(entry));
  fact("Address", entry.id);
  fact("Controller", entry.controller);
  fact("Folder", entry.folders.join(" / "));
  if (entry.at) fact("Last heard", `${span(Date.now() - entry.at)} ago`);
  for (const [name, text] of entry.facts) fact(name, text);
  root.append(facts);
  if (entry.properties.length > 0) {
    const table = element("table");
    const head = table.createTHead().insertRow();
    for (const title of ["Property", "Value", "Raw", "Unit code", "Age"]) {
      const cell = element("th", "", title);
      cell.scope = "col";
      head.append(cell);
    }
    const body = table.createTBody();
    for (const property of entry.properties) {
      const row = body.insertRow();
      const name = property.name ? `${property.name} (${property.control})` : property.control;
      const age = property.at ? span(Date.now() - property.at) : "";
      for (const text of [name, property.text, property.raw, property.uom, age]) {
        row.insertCell().textContent = text;
      }
    }
    root.append(element("h3", "", "Properties"), table);
  }
  const history = state.log.filter((each) => each.node === entry.id && each.controller === entry.controller);
  if (history.length > 0) {
    const list = element("ol", "history");
    for (const each of history.slice(-100).reverse()) {
      const line = element("li", each.tone);
      line.append(clock(each.at), element("span", "", each.text));
      list.append(line);
    }
    root.append(element("h3", "", "This session"), list);
  }
  return root;
}
