"use strict";
// Shows what the interface says of jobs, programs and keys. The token stays in this tab.

const KEY = "beaa-token";
const find = (id) => document.getElementById(id);
let timer = null;

// Text goes in as text, never as markup: names come from elsewhere.
function element(name, content, attributes = {}) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  for (const part of [content].flat()) made.append(part);
  return made;
}

function bytes(count) {
  if (count === null) return "not known yet";
  for (const [unit, name] of [[1e12, "TB"], [1e9, "GB"], [1e6, "MB"], [1e3, "kB"]]) {
    if (count >= unit) return `${(count / unit).toFixed(2)} ${name}`;
  }
  return `${count} B`;
}

const time = (ms) => (ms === null ? "not yet" : new Date(ms).toLocaleString());

function pairs(entries) {
  return element("dl", entries.flatMap(([name, value]) => [element("dt", name), element("dd", value)]));
}

async function ask(path, options = {}) {
  const headers = { authorization: `Bearer ${sessionStorage.getItem(KEY)}` };
  const response = await fetch(path, { ...options, headers, cache: "no-store" });
  if (response.ok) return response.status === 204 ? null : response.json();
  const problem = await response.json().catch(() => ({ detail: `status ${response.status}`, remedy: "try again" }));
  throw new Error(`${problem.detail}; ${problem.remedy}`);
}

function job(view) {
  const { done, parts, batch, batches, layers } = view.progress;
  const title = element("h3", [element("code", view.id), ` ${view.state}`], { class: view.state });
  const shown = element("article", title);
  if (view.state === "running" && parts > 0) {
    const words = `part ${done} of ${parts}` + (batches > 1 ? `, batch ${batch} of ${batches}` : "");
    shown.append(element("progress", words, { max: parts, value: done, "aria-label": words }));
    shown.append(element("p", words, { class: "quiet" }));
  }
  if (view.problem) shown.append(element("p", `${view.problem.detail}; ${view.problem.remedy}`, { class: "failed" }));
  shown.append(pairs([
    ["images", `${view.images}, ${bytes(view.images_bytes)}`],
    ["answers", view.answers_bytes === null ? "not yet" : bytes(view.answers_bytes)],
    ["memory, planned", bytes(view.planned_bytes)],
    ["program", element("code", view.program.slice(0, 16))],
    ["tries", String(view.attempts)],
    ["queued", time(view.created_ms)],
    ["begun", time(view.started_ms)],
    ["ended", time(view.finished_ms)],
  ]));
  if (layers.length > 0) {
    const row = (layer) => element("tr", [
      element("td", layer.layer),
      element("td", layer.operation),
      element("td", `${layer.seconds.toFixed(3)} s`, { class: "number" }),
    ]);
    const head = element("tr", ["layer", "operation", "time"].map((name) => element("th", name, { scope: "col" })));
    const table = element("table", [element("thead", head), element("tbody", layers.map(row))]);
    const details = element("details", [element("summary", "Time by layer"), table]);
    details.id = `layers-${view.id}`;
    details.open = find(details.id)?.open ?? false;
    shown.append(details);
  }
  if (view.state === "queued" || view.state === "running") {
    const button = element("button", "Cancel", { type: "button", id: `cancel-${view.id}` });
    button.setAttribute("aria-label", `Cancel job ${view.id}`);
    button.addEventListener("click", async () => {
      if (!window.confirm("Cancel this job?")) return;
      await ask(`/v1/jobs/${view.id}/cancel`, { method: "POST" }).catch(say);
      refresh();
    });
    shown.append(button);
  }
  return shown;
}

function program(view) {
  return element("article", [
    element("h3", view.name),
    pairs([
      ["fingerprint", element("code", view.program)],
      ["classes", view.classes.length > 0 ? view.classes.join(", ") : "without names"],
      ["image", view.shape.join(" × ")],
      ["images in a batch", String(view.slots)],
      ["security", `${view.security_bits} bits, log2(QP) = ${view.log2_qp.toFixed(1)}`],
      ["error of an output", view.output_error === null ? "not promised" : view.output_error.toExponential(1)],
      ["evaluation key", view.needs_key ? "needed" : "not needed"],
    ]),
  ]);
}

function key(view) {
  return element("article", [
    element("h3", element("code", view.key)),
    pairs([
      ["SHA-256", element("code", view.sha256)],
      ["size", bytes(view.bytes)],
      ["sent", time(view.created_ms)],
    ]),
  ]);
}

// Whoever works by keyboard stays where they are.
function replace(id, parts, none) {
  const focused = document.activeElement?.id;
  find(id).replaceChildren(...(parts.length > 0 ? parts : [element("p", none)]));
  if (focused) find(focused)?.focus();
}

function say(error) {
  find("problem").textContent = error.message;
  find("problem").hidden = false;
}

async function refresh() {
  clearTimeout(timer);
  if (sessionStorage.getItem(KEY) === null) return;
  try {
    const [account, jobs, programs, keys] =
      await Promise.all(["account", "jobs?limit=50", "programs", "keys"].map((path) => ask(`/v1/${path}`)));
    const { usage } = account;
    find("account").textContent = `${account.tenant}: ${bytes(usage.stored_bytes)} of ` +
      `${bytes(usage.stored_bytes_limit)} stored, ${usage.active_jobs} of ${usage.active_jobs_limit} jobs at a time`;
    replace("jobs", jobs.jobs.map(job), "No job yet.");
    replace("programs", programs.programs.map(program), "No program is published.");
    replace("keys", keys.keys.map(key), "No key was sent yet.");
    find("problem").hidden = true;
    find("logout").hidden = false;
  } catch (error) {
    say(error);
  }
  timer = setTimeout(refresh, document.hidden ? 15000 : 2000);
}

find("login").addEventListener("submit", (event) => {
  event.preventDefault();
  sessionStorage.setItem(KEY, find("token").value.trim());
  find("token").value = "";
  refresh();
});
find("logout").addEventListener("click", () => {
  clearTimeout(timer);
  sessionStorage.removeItem(KEY);
  window.location.reload();
});
document.addEventListener("visibilitychange", refresh);
refresh();
