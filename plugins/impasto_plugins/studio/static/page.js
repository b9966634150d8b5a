// The page: what the server sends goes to the parts of the page.

import { $, bytes, duration, el, number, tell } from "./dom.js";
import { Curves } from "./curves.js";
import { Steering } from "./steering.js";
import { ask, listen, picture, told } from "./talk.js";
import { Viewer } from "./viewer.js";

const viewer = new Viewer($("viewer"));
const curves = new Curves($("curves"));
const steering = new Steering($("steering"));
const progress = makeProgress($("progress"));
let state = null, last = null, studio = null, inputs = "";

const WORDS = { waiting: "Waiting", starting: "Starting", running: "Painting", paused: "Paused", done: "Done",
  stopped: "Stopped", failed: "Failed", lost: "No connection" };

function makeProgress(place) {
  const parts = {
    chip: el("span", { className: "chip" }), bar: el("progress", { max: 1, value: 0, "aria-label": "Steps done" }),
    stage: el("span"), step: el("span"), rate: el("span"), left: el("span"), memory: el("span"),
    line: el("p", { className: "line", hidden: true }), inputs: el("div", { className: "inputs" }),
  };
  const facts = el("div", { className: "facts" }, parts.chip, parts.stage, parts.step, parts.rate, parts.left, parts.memory);
  place.append(facts, parts.bar, parts.line, parts.inputs);
  return parts;
}

function status() {
  if (!state) return null;
  return state.status === "running" && state.paused ? "paused" : state.status === "done" && state.stopped ? "stopped" : state.status;
}

function showProgress() {
  const now = status();
  $("progress").hidden = !now;
  document.title = now ? `${WORDS[now] || now} – Impasto` : "Impasto";
  if (!now) return;
  progress.chip.textContent = WORDS[now] || now;
  progress.chip.className = `chip ${now}`;
  const row = last, stages = state.stages;
  progress.bar.hidden = !stages;
  const line = now === "failed" ? state.line : now === "stopped" ? `It was stopped (${state.stopped}); the picture so far is kept.` : state.line || "";
  progress.line.textContent = line || "";
  progress.line.hidden = !line;
  progress.line.classList.toggle("bad", now === "failed");
  for (const name of ["stage", "step", "rate", "left", "memory"]) progress[name].textContent = "";
  if (!stages) return;
  const step = row ? row[0] : state.step, stage = row ? row[1] : state.stage || 0;
  const [width, height] = stages[Math.max(stage, state.stage || 0)];
  progress.stage.textContent = stages.length > 1 ? `stage ${Math.max(stage, state.stage || 0) + 1} of ${stages.length}, ${width} × ${height}` : `${width} × ${height}`;
  progress.step.textContent = `step ${step} of ${state.steps}`;
  progress.bar.value = now === "done" ? 1 : worked(step) / worked(state.steps);
  if (row && row[3]) progress.memory.textContent = bytes(row[3]);
  const rate = speed();
  if (!rate || !["running", "paused"].includes(now)) {
    if (row) progress.rate.textContent = `${duration(row[2])} of painting`;
    return;
  }
  progress.rate.textContent = rate >= 1 ? `${number(rate)} steps/s` : `${number(1 / rate)} s a step`;
  if (now === "running") {
    // A step of a larger stage takes as many times longer as it has more pixels.
    const left = (worked(state.steps) - worked(step)) / (width * height) / rate;
    progress.left.textContent = `about ${duration(left)} left`;
  }
}

// Pixels painted after so many steps, each step of a stage counted by its size.
function worked(step) {
  let sum = 0, before = 0;
  for (const [width, height, steps] of state.stages) {
    sum += Math.min(Math.max(step - before, 0), steps) * width * height;
    before += steps;
  }
  return sum;
}

function speed() {
  const rows = curves.rows, now = rows.at(-1);
  if (!now) return 0;
  const from = rows.findLast((row) => row[1] !== now[1] || now[0] - row[0] >= 10) || rows[0];
  const seconds = now[2] - from[2];
  return seconds > 0 ? (now[0] - from[0]) / seconds : 0;
}

async function showInputs() {
  const named = (state && state.inputs) || [], key = state ? `${state.run} ${named.join()}` : "";
  if (key === inputs) return;
  inputs = key;
  progress.inputs.replaceChildren(...named.map((name, index) => el("figure", {},
    el("img", { src: `/api/inputs/${index}?${encodeURIComponent(key)}`, alt: "", loading: "lazy" }),
    el("figcaption", {}, name === "content" ? "Content" : named.filter((one) => one === "style").length > 1 ? `Style ${index + (named[0] === "content" ? 0 : 1)}` : "Style"))));
  viewer.showBefore(null);
  if (named[0] !== "content") return;
  const found = await told(ask("/api/inputs/0"));
  if (found && inputs === key) viewer.showBefore(await createImageBitmap(found.blob));
}

function showNotes() {
  const notes = (state && state.notes) || [];
  $("notes").hidden = notes.length === 0;
  $("notes").replaceChildren(el("h2", {}, "What the engine says"), el("ul", { className: "small" }, notes.map((line) => el("li", {}, line))));
}

let looking = false, looked = 0;

// Pictures come with fewer pixels than a large painting has. Who zooms in beyond these gets them all, now and then.
async function lookClosely(size) {
  const [width] = state.stages[state.stage || 0];
  const sent = viewer.after.width;
  const close = viewer.view && viewer.view.scale * devicePixelRatio * size[0] > sent * 1.1;
  if (!close || sent >= width || status() === "done" || Date.now() - looked < 4000) return;
  looking = true;
  try {
    const { blob } = await ask("/api/steer", { do: "look" });
    viewer.show(await createImageBitmap(blob), ...size);
  } catch {
    // The run has ended meanwhile; its last picture is on its way.
  }
  looked = Date.now();
  looking = false;
}

const handlers = {
  open: () => { document.body.classList.remove("lost"); },
  // Whether nothing more is to be expected: the page of one run ends with it.
  lost: () => {
    const over = !studio && ["done", "stopped", "failed"].includes(status());
    document.body.classList.toggle("lost", !over);
    if (!over) {
      progress.chip.textContent = WORDS.lost;
      progress.line.textContent = "The server does not answer. A run that it painted keeps its picture and goes on from its checkpoint once the studio is there again.";
      progress.line.hidden = false;
    }
    return over;
  },
  state: (given) => {
    if (!given || !state || given.run !== state.run) {
      last = null;
      curves.reset([]);
      if (state || !given) viewer.clear();
    }
    state = given;
    curves.name((state && state.names) || []);
    steering.show(state);
    showProgress();
    showInputs();
    showNotes();
    if (studio) studio.stateChanged(state);
  },
  curves: (rows) => {
    curves.reset(rows);
    last = rows.at(-1) || null;
    showProgress();
  },
  rows: (rows) => {
    curves.add(rows);
    last = rows.at(-1);
    showProgress();
  },
  picture: async ({ jpeg }) => {
    const bitmap = await picture(jpeg);
    const stages = state && state.stages;
    if (!stages) return;
    const size = stages.at(-1).slice(0, 2);
    if (looking) return;
    viewer.show(bitmap, ...size);
    lookClosely(size);
  },
  runs: (table) => { if (studio) studio.showRuns(table); },
};

$("theme").addEventListener("click", () => {
  const dark = matchMedia("(prefers-color-scheme: dark)").matches;
  const now = document.documentElement.dataset.theme || (dark ? "dark" : "light");
  document.documentElement.dataset.theme = now === "dark" ? "light" : "dark";
});

const found = await told(ask("/api/mode"));
if (found && found.mode === "studio") {
  const module = await import("./studio.js");
  studio = await module.start(viewer);
}
if (found) listen(handlers);
else tell("this page was opened without its token: use the address that impasto printed");
