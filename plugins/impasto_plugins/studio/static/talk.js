// Requests to the server, and what it sends by itself. An error is one line, told at the top of the page.

import { tell } from "./dom.js";

export async function ask(path, body, given = {}) {
  const send = body === undefined ? {} : { method: "POST", body: body instanceof Blob ? body : JSON.stringify(body) };
  let answer;
  try {
    answer = await fetch(path, { ...send, ...given });
  } catch {
    throw new Error("the server does not answer; is it still running?");
  }
  const kind = answer.headers.get("content-type") || "";
  const found = kind.includes("json") ? await answer.json() : await answer.blob();
  if (!answer.ok) throw new Error(found.line || (found.text ? await found.text() : answer.statusText));
  if (kind.includes("json")) return found;
  const name = /filename="([^"]+)"/.exec(answer.headers.get("content-disposition") || "");
  return { blob: found, name: name ? name[1] : "picture" };
}

// The same, with the error told; undefined where there was one.
export async function told(promise) {
  try {
    return await promise;
  } catch (error) {
    tell(error.message);
    return undefined;
  }
}

export const steer = (message) => told(ask("/api/steer", message));

export function save({ blob, name }) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(blob);
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60000);
}

export function listen(handlers) {
  const source = new EventSource("/api/events");
  for (const [name, handle] of Object.entries(handlers)) {
    if (name !== "open" && name !== "lost") {
      source.addEventListener(name, (event) => handle(JSON.parse(event.data)));
    }
  }
  source.onopen = () => handlers.open();
  source.onerror = () => {
    if (handlers.lost()) {
      source.close();
      return;
    }
    // A browser gives up for good where the answer was no stream, as when the server was busy.
    if (source.readyState === EventSource.CLOSED) setTimeout(() => listen(handlers), 3000);
  };
}

export function picture(base64) {
  const text = atob(base64), data = new Uint8Array(text.length);
  for (let place = 0; place < text.length; place += 1) data[place] = text.charCodeAt(place);
  return createImageBitmap(new Blob([data], { type: "image/jpeg" }));
}
