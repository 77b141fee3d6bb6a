// What the page knows: the entries and controllers of the latest changes, and what is shown of them.

export const state = {
  commands: false,
  controllers: new Map(), // name → controller
  entries: new Map(), // key → entry
  rows: new Map(), // key → the elements of its row
  groups: new Map(), // title → the elements of a folder
  log: [],
  paused: null, // the log entries as they were at the pause
  filter: "",
};
