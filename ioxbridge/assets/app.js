// The page of the bridge: applies server-sent changes to its state, and updates only what changed.

import { showBroker, showController, takeController } from "./controllers.js";
import { show, showDetails } from "./details.js";
import { filter, leave, showAges, sort, takeEntry } from "./house.js";
import { showLog, takeLog } from "./log.js";
import { state } from "./state.js";
import { $, put } from "./text.js";

let source = null;

function connect() {
  source?.close();
  source = new EventSource("events");
  source.onopen = () => {
    put($("link"), "Live");
    show();
  };
  source.onmessage = (message) => apply(JSON.parse(message.data));
  source.onerror = async () => {
    put($("link"), "No connection to the bridge; trying again …");
    // The browser reconnects by itself after a lost connection, but not after a refusal.
    if (source.readyState === EventSource.CLOSED) {
      if (await isSignedIn()) setTimeout(connect, 3000);
    }
  };
}

async function isSignedIn() {
  try {
    const answer = await fetch("session");
    $("sign-in").hidden = answer.status !== 401;
    if (answer.status === 401) {
      put($("link"), "Signed out");
      $("overview").hidden = true;
      $("details").hidden = true;
      $("password").focus();
      return false;
    }
    $("sign-out").hidden = (await answer.text()) !== "signed in";
  } catch {
    // The bridge cannot be reached: the next attempt decides.
  }
  return true;
}

function apply(change) {
  if (change.type === "snapshot") {
    state.commands = change.commands;
    state.controllers.clear();
    state.entries.clear();
    state.rows.clear();
    state.groups.clear();
    $("house").replaceChildren();
    $("controllers").replaceChildren();
    $("events").replaceChildren();
    state.log = [];
  }
  for (const key of change.removed ?? []) remove(key);
  for (const controller of change.controllers) takeController(controller);
  const touched = new Set();
  for (const entry of change.entries) takeEntry(entry, touched);
  for (const group of touched) sort(group);
  takeLog(change.log);
  showBroker(change.broker);
  if (touched.size > 0 || change.removed?.length > 0) filter();
  showDetails(change);
}

function remove(key) {
  if (!key.includes("/")) {
    state.controllers.get(key)?.card.root.remove();
    state.controllers.delete(key);
    return;
  }
  state.entries.delete(key);
  const row = state.rows.get(key);
  if (row) {
    leave(row, key);
    state.rows.delete(key);
  }
}

document.addEventListener("signed-out", isSignedIn);

$("skip").onclick = (event) => {
  // The hash is the key of the entry whose details are shown.
  event.preventDefault();
  $("events-section").scrollIntoView();
  $("events-section").focus();
};

window.onhashchange = () => {
  show();
  window.scrollTo(0, 0);
};

let pending = 0;
$("search").oninput = () => {
  state.filter = $("search").value.trim().toLowerCase();
  cancelAnimationFrame(pending);
  pending = requestAnimationFrame(() => {
    filter();
    showLog();
  });
};

$("sign-in").onsubmit = async (event) => {
  event.preventDefault();
  const answer = await fetch("sign-in", {
    method: "POST", headers: { "X-Iox-Request": "1" }, body: $("password").value,
  });
  put($("sign-in-problem"), answer.ok ? "" : await answer.text());
  if (!answer.ok) return;
  $("password").value = "";
  $("sign-in").hidden = true;
  $("sign-out").hidden = false;
  connect();
};

$("sign-out").onclick = async () => {
  await fetch("sign-out", { method: "POST", headers: { "X-Iox-Request": "1" } });
  location.reload();
};

setInterval(() => {
  for (const controller of state.controllers.values()) showController(controller);
  if (!$("overview").hidden) showAges();
}, 10000);

if (await isSignedIn()) connect();
