// A step by its parts: bars that can be sorted and opened.
"use strict";

const SMALL = 0.005;
const ORDERS = [
  ["part", (a, b) => a.name.localeCompare(b.name), "ascending", ""],
  ["", null, "", "bar"],
  ["of step", (a, b) => b.seconds - a.seconds, "descending", ""],
  ["ms a step", (a, b) => b.seconds - a.seconds, "descending", ""],
  ["forward", (a, b) => b.forward - a.forward, "descending", "wide"],
  ["backward", (a, b) => b.backward - a.backward, "descending", "wide"],
];

function partsOf(stage) {
  const body = el("tbody");
  const heads = ORDERS.map(([name, order, , shape], place) => el("th", { scope: "col", class: shape },
    order ? el("button", { type: "button", onclick: () => sort(place) }, name) : null));
  const sort = (place) => {
    heads.forEach((head) => head.removeAttribute("aria-sort"));
    heads[place].setAttribute("aria-sort", ORDERS[place][2]);
    body.replaceChildren(...rowsOf(stage, ORDERS[place][1]));
  };
  sort(3);
  return card("Where a step's time goes",
    el("p", { class: "soft" }, "Each moment belongs to the innermost part at work; a part's backward time is that "
      + "of its gradients. Open a part for its operators; a heading sorts."),
    wholeOf(stage),
    el("table", { class: "parts" }, el("thead", {}, el("tr", {}, heads)), body));
}

function wholeOf(stage) {
  const sums = new Map();
  for (const part of stage.parts) sums.set(kindOf(part.name), (sums.get(kindOf(part.name)) || 0) + part.fraction);
  const sorted = [...sums].filter(([, fraction]) => fraction > 0).sort((a, b) => b[1] - a[1]);
  const words = sorted.map(([kind, fraction]) => `${KINDS[kind]} ${percent(fraction)}`);
  return el("div", {},
    el("div", { class: "whole", role: "img", "aria-label": words.join(", ") }, sorted.map(([kind, fraction], place) =>
      el("i", { title: words[place], style: { width: `${100 * fraction}%`, background: `var(--${kind})` } }))),
    legend(sorted.map(([kind], place) => [kind, words[place]])));
}

function rowsOf(stage, order) {
  const most = Math.max(...stage.parts.map((part) => part.seconds));
  const large = stage.parts.filter((part) => part.fraction >= SMALL);
  const small = stage.parts.filter((part) => part.fraction < SMALL);
  const rows = large.sort(order).flatMap((part) => partRows(stage, part, most));
  if (!small.length) return rows;
  const names = small.map((part) => part.name).join(", ");
  const sum = { name: `${small.length} smaller: ${names}`, operators: [], cost: 0 };
  for (const key of ["seconds", "fraction", "forward", "backward"]) {
    sum[key] = small.reduce((total, part) => total + part[key], 0);
  }
  return [...rows, ...opened(rowOf(stage, sum, most),
    small.sort(order).map((part) => rowOf(stage, part, most, "inside")))];
}

function partRows(stage, part, most) {
  const per = 1000 / stage.steps;
  const inside = part.operators.map((one) => el("tr", { class: "inside" },
    el("td", {}, one.name), el("td", { class: "bar" }, `${digits(one.calls / stage.steps)} calls a step`),
    el("td", {}, percent(one.fraction)), el("td", {}, digits(one.seconds * per)),
    el("td", { class: "wide" }), el("td", { class: "wide" })));
  const note = part.device ? [`on the GPU ${digits(part.device * per)} ms a step`] : [];
  if (part.cost) note.push(`recording cost ${digits(part.cost * per)} ms a step, taken out`);
  if (note.length) inside.push(el("tr", { class: "inside" }, el("td", { colspan: 6 }, note.join("; "))));
  return opened(rowOf(stage, part, most), inside);
}

function rowOf(stage, part, most, shape = "") {
  const per = 1000 / stage.steps;
  const width = (seconds) => ({ width: `${100 * seconds / most}%`, background: `var(--${kindOf(part.name)})` });
  return el("tr", { class: shape }, el("td", {}, part.name),
    el("td", { class: "bar" }, el("div", { class: "track" },
      el("i", { style: width(part.forward) }), el("i", { class: "back", style: width(part.backward) }))),
    el("td", {}, percent(part.fraction)), el("td", {}, digits(part.seconds * per)),
    el("td", { class: "wide" }, digits(part.forward * per)), el("td", { class: "wide" }, digits(part.backward * per)));
}

function opened(row, inside) {
  if (!inside.length) return [row];
  const cell = row.firstElementChild;
  const button = el("button", { type: "button", class: "open", "aria-expanded": "false" }, cell.textContent);
  inside.forEach((one) => { one.hidden = true; });
  button.addEventListener("click", () => {
    const open = button.getAttribute("aria-expanded") !== "true";
    button.setAttribute("aria-expanded", String(open));
    inside.forEach((one) => { one.hidden = !open; });
  });
  cell.replaceChildren(button);
  return [row, ...inside];
}
