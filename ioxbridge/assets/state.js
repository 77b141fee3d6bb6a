// The state of the page: the entries and controllers after the latest change, and their elements.

export const state = {
  commands: false,
  controllers: new Map(), // name → controller
  entries: new Map(), // key → entry
  rows: new Map(), // key → the elements of its row
  groups: new Map(), // title → the elements of a folder
  log: [],
  paused: null, // the log entries at the time of the pause
  filter: "",
};
