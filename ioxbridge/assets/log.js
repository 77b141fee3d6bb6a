// The event log, the latest entry first.

import { state } from "./state.js";
import { $, clock, element, put } from "./text.js";

const LOG_SHOWN = 200;
const LOG_KEPT = 2000;

export function takeLog(added) {
  if (added.length === 0) return;
  for (const entry of added) {
    const name = entry.name || (entry.node ? entry.node : entry.controller);
    entry.shown = name;
    entry.searched = `${entry.controller} ${name} ${entry.node} ${entry.text}`.toLowerCase();
  }
  state.log.push(...added);
  if (state.log.length > LOG_KEPT) state.log.splice(0, state.log.length - LOG_KEPT);
  if (!state.paused) showLog(added);
}

function logLine(entry) {
  const line = element("li", entry.tone);
  line.append(clock(entry.at), element("span", "", entry.shown));
  const text = entry.tone === "replay" ? `${entry.text} (replay)` : entry.text;
  line.append(element("span", "", text));
  return line;
}

// Adds the latest entries at the top, or renders the whole log again.
export function showLog(added) {
  const matching = (entries) => entries.filter((entry) => entry.searched.includes(state.filter));
  const list = $("events");
  if (added) {
    const lines = matching(added).slice(-LOG_SHOWN).reverse().map(logLine);
    list.prepend(...lines);
    while (list.children.length > LOG_SHOWN) list.lastChild.remove();
  } else {
    const log = matching(state.paused ?? state.log).slice(-LOG_SHOWN).reverse();
    list.replaceChildren(...log.map(logLine));
  }
}

$("pause").onclick = () => {
  state.paused = state.paused ? null : [...state.log];
  $("pause").setAttribute("aria-pressed", String(state.paused !== null));
  put($("pause"), state.paused ? "Go on" : "Pause");
  showLog();
};
