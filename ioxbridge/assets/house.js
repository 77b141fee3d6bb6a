// The house: nodes, scenes, programs and variables by folder, one row each.

import { button } from "./commands.js";
import { state } from "./state.js";
import { $, element, put, span } from "./text.js";

const SILENT_AFTER = 25 * 60 * 60 * 1000;
const GROUPS = { program: "Programs", variable: "Variables" };
const collator = new Intl.Collator(undefined, { numeric: true, sensitivity: "base" });

function groupOf(entry) {
  const several = state.controllers.size > 1 ? [entry.controller] : [];
  const place = GROUPS[entry.kind] ? [GROUPS[entry.kind]] : entry.folders;
  return [...several, ...place].join(" / ") || "Not in a folder";
}

function rank(entry) {
  return { node: 0, scene: 1, program: 2, variable: 3 }[entry.kind];
}

export function takeEntry(entry, touched) {
  const before = state.entries.get(entry.key);
  entry.group = groupOf(entry);
  entry.searched = `${entry.group} ${entry.name} ${entry.id} ${entry.kind}`.toLowerCase();
  state.entries.set(entry.key, entry);
  let row = state.rows.get(entry.key);
  if (!row) {
    row = makeRow(entry);
    state.rows.set(entry.key, row);
  }
  if (row.group !== entry.group) {
    if (row.group !== undefined) leave(row, entry.key);
    enter(row, entry);
    touched.add(entry.group);
  } else if (before?.name !== entry.name) {
    touched.add(entry.group);
  }
  showRow(row, entry);
}

function makeRow(entry) {
  const root = element("li", "row");
  const row = {
    root, name: element("a", "name"), mark: element("span", "mark"),
    value: element("span", "value"), age: element("span", "age"),
    commands: element("span", "commands"), offered: "",
  };
  row.name.href = `#${encodeURIComponent(entry.key)}`;
  const name = element("span");
  name.append(row.name, row.mark);
  root.append(name, row.value, row.age, row.commands);
  return row;
}

function showRow(row, entry) {
  put(row.name, entry.name);
  put(row.value, entry.value);
  put(row.mark, markOf(entry));
  put(row.age, entry.at ? span(Date.now() - entry.at) : "");
  row.root.classList.toggle("on", entry.on === true);
  row.root.classList.toggle("disabled", entry.disabled);
  const offered = state.commands ? entry.commands.filter((each) => each !== "LEVEL" && each !== "QUERY") : [];
  if (row.offered !== offered.join()) {
    row.offered = offered.join();
    row.commands.replaceChildren(...offered.slice(0, 3).map((payload) => button(entry.key, payload)));
  }
}

export function markOf(entry) {
  if (entry.disabled) return "disabled";
  if (entry.no_answer) return "no answer";
  if (entry.at && Date.now() - entry.at > SILENT_AFTER) return "silent";
  return "";
}

function enter(row, entry) {
  let group = state.groups.get(entry.group);
  if (!group) {
    const root = element("section", "folder");
    const title = element("h3", "", entry.group);
    const list = element("ul");
    root.append(title, list);
    group = { root, list, keys: new Set(), rank: rank(entry) < 2 ? 0 : rank(entry), title: entry.group };
    state.groups.set(entry.group, group);
    const groups = [...state.groups.values()];
    groups.sort((a, b) => a.rank - b.rank || collator.compare(a.title, b.title));
    const next = groups[groups.indexOf(group) + 1];
    $("house").insertBefore(root, next?.root.parentNode ? next.root : null);
  }
  row.group = entry.group;
  group.keys.add(entry.key);
  group.list.append(row.root);
}

export function leave(row, key) {
  const group = state.groups.get(row.group);
  row.root.remove();
  group.keys.delete(key);
  if (group.keys.size === 0) {
    group.root.remove();
    state.groups.delete(row.group);
  }
}

export function sort(title) {
  const group = state.groups.get(title);
  if (!group) return;
  const entries = [...group.keys].map((key) => state.entries.get(key));
  entries.sort((a, b) => rank(a) - rank(b) || collator.compare(a.name, b.name));
  const focused = document.activeElement;
  group.list.append(...entries.map((entry) => state.rows.get(entry.key).root));
  if (focused && group.list.contains(focused)) focused.focus();
}

export function filter() {
  let found = 0;
  for (const group of state.groups.values()) {
    let shown = 0;
    for (const key of group.keys) {
      const matches = state.entries.get(key).searched.includes(state.filter);
      state.rows.get(key).root.hidden = !matches;
      shown += matches;
    }
    group.root.hidden = shown === 0;
    found += shown;
  }
  $("nothing").hidden = found > 0 || state.entries.size === 0;
}

// Ages change without an event, so a timer updates them.
export function showAges() {
  for (const [key, row] of state.rows) {
    const entry = state.entries.get(key);
    if (row.root.hidden || !entry.at) continue;
    put(row.age, span(Date.now() - entry.at));
    put(row.mark, markOf(entry));
  }
}
