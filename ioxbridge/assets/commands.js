// Commands: buttons, and the outcomes of commands.

import { state } from "./state.js";
import { $, element, put } from "./text.js";

const TITLES = {
  ON: "On", OFF: "Off", OPEN: "Open", CLOSE: "Close", STOP: "Stop", LOCK: "Lock",
  UNLOCK: "Unlock", QUERY: "Query", RUN_THEN: "Run then", RUN_ELSE: "Run else",
  ENABLE: "Enable", DISABLE: "Disable",
};
// The commands that need confirmation.
const CAREFUL = new Set(["UNLOCK", "OPEN"]);

export function button(key, payload) {
  const made = element("button", "", TITLES[payload] ?? payload);
  made.type = "button";
  made.setAttribute("aria-label", `${TITLES[payload] ?? payload}: ${state.entries.get(key).name}`);
  made.onclick = () => command(key, payload, made);
  return made;
}

export async function command(key, payload, pressed) {
  const { name } = state.entries.get(key);
  if (CAREFUL.has(payload) && !window.confirm(`${TITLES[payload]} ${name}?`)) return;
  if (pressed) pressed.disabled = true;
  say(`${name}: sending …`);
  try {
    const answer = await fetch("command", {
      method: "POST",
      headers: { "Content-Type": "application/json", "X-Iox-Request": "1" },
      body: JSON.stringify({ key, payload }),
    });
    const outcome = await answer.json();
    say(`${name}: ${outcome.text}`);
    if (answer.status === 401) document.dispatchEvent(new Event("signed-out"));
  } catch {
    say(`${name}: no answer from the bridge; the command may have been carried out`);
  } finally {
    if (pressed) pressed.disabled = false;
  }
}

let silence;
function say(text) {
  put($("outcome"), text);
  clearTimeout(silence);
  silence = setTimeout(() => put($("outcome"), ""), 6000);
}
