// The studio: the form for a new painting, the queue, and the results.

import { $, button, tell } from "./dom.js";
import { Form } from "./form.js";
import { Results } from "./results.js";
import { ask, told } from "./talk.js";

const PARTS = { make: "New painting", watch: "Watch", results: "Results" };

export async function start(viewer) {
  document.body.classList.add("studio");
  const about = await told(ask("/api/studio"));
  if (!about) return { showRuns() {}, stateChanged() {} };
  const tabs = new Map();
  const open = (name) => {
    for (const part of Object.keys(PARTS)) $(part).hidden = part !== name;
    tabs.forEach((tab, part) => tab.setAttribute("aria-current", part === name ? "page" : "false"));
    if (name === "watch") viewer.resized();
    scrollTo(0, 0);
  };
  for (const [name, words] of Object.entries(PARTS)) {
    const tab = button(words, () => open(name));
    tabs.set(name, tab);
    $("tabs").append(tab);
  }
  $("tabs").hidden = false;
  const form = new Form($("make"), about, async (order) => {
    const record = await told(ask("/api/runs", order));
    if (!record) return;
    tell(record.status === "waiting" ? "It waits in the queue until the run before it has ended." : "", false);
    open("watch");
  });
  const results = new Results($("results"), {
    again: async (asked, more = {}) => {
      await form.fill(asked, more);
      open("make");
    },
    watch: () => open("watch"),
  });
  for (const line of about.failed) tell(line);
  open("make");
  return {
    showRuns(table) {
      results.show(table);
      const waiting = table.filter((one) => one.status === "waiting").length;
      const running = table.find((one) => one.status === "running");
      tabs.get("watch").textContent = running ? "Watch ●" : "Watch";
      tabs.get("results").textContent = waiting ? `Results, ${waiting} waiting` : "Results";
      this.table = table;
      this.stateChanged(this.state);
    },
    stateChanged(state) {
      this.state = state;
      $("where").textContent = state && state.title ? state.title : "";
      const record = state && (this.table || []).find((one) => one.id === state.run);
      results.below($("after"), record, state);
    },
  };
}
