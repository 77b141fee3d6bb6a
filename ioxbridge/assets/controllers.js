// The controllers, each with its status and its event counts of the last 30 minutes.

import { state } from "./state.js";
import { $, element, put, span } from "./text.js";

export function takeController(controller) {
  let card = state.controllers.get(controller.name)?.card;
  if (!card) {
    const root = element("li", "controller");
    card = {
      root, name: element("strong"), status: element("span"), more: element("p", "quiet"),
      svg: document.createElementNS("http://www.w3.org/2000/svg", "svg"),
      line: document.createElementNS("http://www.w3.org/2000/svg", "polyline"),
    };
    card.svg.setAttribute("class", "minutes");
    card.svg.setAttribute("viewBox", "0 0 29 10");
    card.svg.setAttribute("preserveAspectRatio", "none");
    card.svg.setAttribute("role", "img");
    card.line.setAttribute("fill", "none");
    card.line.setAttribute("stroke", "currentColor");
    card.line.setAttribute("vector-effect", "non-scaling-stroke");
    card.svg.append(card.line);
    root.append(card.name, card.status, card.more, card.svg);
    $("controllers").append(root);
  }
  state.controllers.set(controller.name, { ...controller, card });
  showController(state.controllers.get(controller.name));
}

export function showController(controller) {
  const { card } = controller;
  const now = Date.now();
  put(card.name, controller.name);
  put(card.status, controller.status.replaceAll("_", " "));
  card.status.className = controller.connected ? "connected" : "away";
  const facts = [`for ${span(now - controller.since)}`];
  if (controller.retry_at) facts.push(`next attempt in ${span(controller.retry_at - now)}`);
  if (controller.reason && !controller.connected) facts.push(controller.reason);
  if (controller.last_loss && controller.connected) {
    facts.push(`last loss ${span(now - controller.last_loss[0])} ago: ${controller.last_loss[1]}`);
  }
  if (controller.reconnects > 0) facts.push(`${controller.reconnects} reconnects`);
  if (controller.drift > 0) facts.push(`${controller.drift} values corrected`);
  // The last count is of the minute in which the counts were sent.
  const passed = Math.max(0, Math.floor(now / 60000) - controller.minute);
  const counts = [...controller.per_minute.slice(passed),
    ...Array(Math.min(passed, controller.per_minute.length)).fill(0)];
  const latest = counts.at(-2) ?? 0;
  facts.push(`${latest} events in the last minute`);
  put(card.more, facts.join(" · "));
  const most = Math.max(1, ...counts);
  card.line.setAttribute("points",
    counts.map((count, at) => `${at},${(9.5 - 9 * count / most).toFixed(2)}`).join(" "));
  card.svg.setAttribute("aria-label", `Events a minute, ${most} at most in half an hour`);
}

export function showBroker(broker) {
  const text = broker === null ? ""
    : broker.connected ? "The MQTT broker is connected."
      : `The MQTT broker is not connected; ${broker.waiting} messages wait.`;
  put($("broker"), text);
}
