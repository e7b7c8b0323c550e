// Shows what the workbench knows. All of it comes from `api/state`; `api/events` reports each change. Nothing that a sample or
// a converter holds is ever taken for HTML: it becomes text nodes.
"use strict";

const MAXIMUM_BYTES = 64 * 1024 * 1024;
const by = (id) => document.getElementById(id);
let state = null;
let view = "all";

// An element: its attributes, and its children, which are elements or texts.
function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (value === true) element.setAttribute(name, "");
    else if (value !== false && value != null) element.setAttribute(name, value);
  }
  element.append(...children.flat().filter((child) => child != null && child !== false));
  return element;
}

const plain = (text) => text.replaceAll("`", "");
const count = (number, one, many = `${one}s`) => `${number.toLocaleString("en")} ${number === 1 ? one : many}`;
const pill = (text, kind = "") => make("span", { class: `pill ${kind}` }, text);
const section = (name) => state.sections[name] ?? { status: "none" };

function table(headers, rows, caption) {
  const head = headers.map((name) => make("th", { scope: "col", class: name.startsWith("#") ? "number" : null }, name.replace(/^#/, "")));
  return make("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": caption },
    make("table", {}, make("thead", {}, make("tr", {}, head)), make("tbody", {}, rows)));
}

// What a part of the page shows where it has no data: that it is waited for, or why there is none.
function missing(part) {
  if (part.status === "failed") return [make("pre", { class: "bad", tabindex: "0" }, part.error), hint(part.hint)];
  if (part.hint) return [hint(part.hint)];
  return [make("p", { class: "soft" }, state.sections.build?.status === "working" ? "after the build" : "nothing yet")];
}

const hint = (text) => (text ? make("p", { class: "hint" }, `hint: ${text}`) : null);

function fill(name, render) {
  const part = section(name);
  const body = document.querySelector(`#${name} .body`);
  const stays = [...body.querySelectorAll(".scroll")].map((element) => element.scrollTop);
  body.replaceChildren(...(part.status === "done" ? render(part.data) : missing(part)).flat().filter(Boolean));
  body.querySelectorAll(".scroll").forEach((element, index) => { element.scrollTop = stays[index] ?? 0; });
  body.classList.toggle("stale", state.sections.build?.status !== "done" && name !== "sample");
}

// Line protocol, its parts in colours. A backslash keeps what follows it; quotes keep spaces in fields.
function line(text) {
  const cut = (from, quotes) => {
    let quoted = false;
    for (let at = from; at < text.length; at++) {
      if (text[at] === "\\") at++;
      else if (quotes && text[at] === '"') quoted = !quoted;
      else if (text[at] === " " && !quoted) return at;
    }
    return text.length;
  };
  const series = cut(0, false);
  const fields = cut(series + 1, true);
  const comma = /^(?:\\.|[^,\\])*/s.exec(text.slice(0, series))[0].length;
  const piece = (kind, from, to) => make("span", { class: kind }, text.slice(from, to));
  return make("div", { class: "line mono" }, piece("m", 0, comma), piece("t", comma, series), piece("f", series, fields), piece("z", fields));
}

function header() {
  const { project, sections, samples, chosen } = state;
  const component = sections.build?.component;
  by("name").textContent = component ? `${component.name} ${component.version}` : "converter";
  document.title = component ? `${component.name} · workbench` : "workbench";
  by("directory").textContent = `${project.directory} · ${project.language}`;
  const status = by("status");
  const [text, kind] = {
    working: [sections.build?.doing ?? "building…", "warn working"],
    done: [component && `built in ${component.seconds.toFixed(1)} s · ${component.bytes.toLocaleString("en")} bytes`, "good"],
    failed: ["the build fails", "bad"],
  }[sections.build?.status] ?? ["waiting", ""];
  if (status.textContent !== text) status.textContent = text;
  status.className = `pill ${kind}`;
  const select = by("sample-name");
  const names = samples.map((sample) => sample.name);
  if (chosen && !names.includes(chosen)) names.unshift(chosen);
  select.replaceChildren(...names.map((name) => make("option", { value: name, selected: name === chosen }, name)));
  by("unwatched").hidden = !state.unwatched;
  by("unwatched").textContent = state.unwatched ?? "";
  by("build").hidden = sections.build?.status !== "failed";
  if (sections.build?.status === "failed") {
    by("build-error").textContent = sections.build.error + (sections.build.hint ? `\nhint: ${sections.build.hint}` : "");
  }
}

function plan(data) {
  const levels = [
    ["plan", "prepare", "once an object: these columns never enter the sandbox"],
    ["translate", "translate", "once a distinct value"],
    ["convert", "convert", "once a batch, row by row"],
  ];
  const several = data.points.length > 1;
  const boxes = levels.map(([level, title, about]) => {
    const items = data.points.flatMap((point, index) => {
      const of = several ? ` of point ${index + 1}` : "";
      const all = [{ kind: "time", key: "", from: point.time.from, level: point.time.level }, ...point.items];
      return all.filter((item) => item.level === level).map((item) => make("li", {},
        make("b", {}, item.kind), item.key && make("span", { class: { tag: "t", field: "f" }[item.kind] }, ` ${item.key}`),
        ` ← ${plain(item.from)}`, item.as && item.as !== "text" ? make("b", {}, ` as ${item.as}`) : null,
        item.missing && item.missing !== "omitted" ? make("b", {}, ` · ${item.missing}`) : null, make("b", {}, of)));
    });
    const seen = { plan: [], translate: data.translated, convert: data.read }[level];
    return make("div", {}, make("h3", {}, `${title} · ${about}`),
      items.length ? make("ul", {}, items) : make("p", { class: "soft" }, "nothing"),
      seen.length ? make("p", { class: "soft" }, `sees ${seen.join(", ")}`) : null);
  });
  const names = data.points.map((point) => point.measurement).join(", ");
  return [make("p", {}, several ? `${data.points.length} points a row: ` : "point ", make("span", { class: "m mono" }, names)),
    make("div", { class: "levels" }, boxes),
    make("p", { class: data.unused.length ? "" : "soft" }, `not used: ${data.unused.join(", ") || "none"}`)];
}

// What a row holds, by the names of its columns.
function holds(data, row) {
  const columns = section("sample").data?.columns;
  const cells = row && data.read.map((column, index) => [columns?.[column]?.name ?? column, row.cells[index]]);
  return make("div", { class: "cells" }, (cells ?? []).map(([name, value]) => make("span", {}, make("b", {}, `${name} `),
    value === null ? make("span", { class: "null" }, "null") : make("span", { class: "mono" }, value))));
}

function points(data) {
  const rejected = Object.values(data.rejected_total).reduce((sum, number) => sum + number, 0);
  const views = [["all", "rows", data.looked_at], ["rejected", "rejected", rejected], ["replaced", "replaced", data.replaced_total]];
  if (by("views").childElementCount !== views.length) {
    by("views").replaceChildren(...views.map(([name]) => make("button", { type: "button", id: `view-${name}`, onclick: () => { view = name; render(); } })));
  }
  for (const [name, title, number] of views) {
    by(`view-${name}`).textContent = `${number.toLocaleString("en")} ${title}`;
    by(`view-${name}`).setAttribute("aria-pressed", String(view === name));
  }
  const rows = new Map(data.rows.map((row) => [row.row, row]));
  const lines = Map.groupBy(data.lines, (point) => point.row);
  const why = new Map(data.rejected.map((row) => [row.row, row]));
  const number = (row) => make("td", { class: "row" }, String(row));
  const whole = (row) => make("td", {}, holds(data, rows.get(row)));
  const code = (row) => [pill(row.code, "bad"), make("div", { class: "soft" }, row.message)];
  const become = (row) => make("td", {}, why.has(row) ? code(why.get(row))
    : lines.get(row)?.map((point) => line(point.line)) ?? make("span", { class: "null" }, "no point"));
  const of = data.looked_at < data.total ? `the first ${count(data.looked_at, "row")} of ${data.total.toLocaleString("en")}` : count(data.total, "row");
  const said = [`${count(data.points, "point")} of ${of}`];
  if (data.filtered) said.push(`${data.filtered.toLocaleString("en")} filtered`);
  for (const [name, number] of Object.entries(data.rejected_total)) said.push(`${number.toLocaleString("en")} ${name}`);
  const shown = {
    all: () => table(["row", "holds", "becomes"], data.rows.slice(0, 100).map(({ row }) => make("tr", {}, number(row), whole(row), become(row))), "Rows and what becomes of them"),
    rejected: () => data.rejected.length
      ? table(["row", "holds", "rejected because"], data.rejected.map((row) => make("tr", {}, number(row.row), whole(row.row), make("td", {}, code(row)))), "Rejected rows")
      : make("p", { class: "soft" }, "no row is rejected"),
    replaced: () => data.replaced.length
      ? [make("p", {}, "A later row writes the same field of the same series and time: InfluxDB keeps the later value. A tag that distinguishes the rows keeps both."),
        table(["row", "holds", "replaced by", "which holds", "point"], data.replaced.map((pair) => make("tr", {}, number(pair.row), whole(pair.row), number(pair.by), whole(pair.by), become(pair.by))), "Replaced rows")]
      : make("p", { class: "soft" }, "no row replaces another"),
  }[view]();
  return [make("p", { class: "soft" }, said.join(" · ")), shown].flat();
}

function golden(data) {
  const kinds = { passed: "good", updated: "good", differs: "warn", broken: "bad", faulty: "bad", invalid: "bad" };
  const list = data.golden.map((pair) => make("div", {}, make("p", {}, pill(pair.status, kinds[pair.status]), ` ${pair.name} `,
    make("span", { class: "soft" }, pair.accounts ? count(pair.accounts.rows, "row") : "")),
  pair.error ? make("pre", { tabindex: "0" }, pair.error) : null, hint(pair.hint),
  (pair.broken ?? []).map((broken) => make("pre", { tabindex: "0" }, `property ${broken.property} does not hold, ${broken.message}`)),
  (pair.differences ?? []).map((difference) => make("pre", { tabindex: "0", "aria-label": `difference to ${difference.file}` }, difference.text.split("\n").map((text) =>
    make("span", { class: text.startsWith("+") ? "added" : text.startsWith("-") ? "removed" : null }, `${text}\n`))))));
  const differs = data.golden.some((pair) => pair.status === "differs");
  return [...list, make("div", { class: "actions" },
    differs ? button("Accept what it makes now", "accept", "Write what the converter makes now into the golden pairs? Review them before you commit them.") : null,
    pill(data.passed ? "all as expected" : "not all as expected", data.passed ? "good" : "bad"))];
}

// A button that runs a command of the loader, after a question.
function button(text, action, question) {
  const running = section("action").status === "working";
  const ready = section("build").status === "done" && !running;
  return make("button", { type: "button", id: `do-${action}`, disabled: !ready, onclick: () => ask(action, question) }, text);
}

function ask(action, question) {
  by("confirm-text").textContent = question;
  by("confirm-command").textContent = { publish: "influxdb-loader converter publish", promote: "influxdb-loader converter promote", accept: "influxdb-loader converter test --update" }[action];
  const dialog = by("confirm");
  dialog.returnValue = "no";
  dialog.onclose = () => {
    if (dialog.returnValue === "yes") send(`api/${action}?digest=${encodeURIComponent(section("build").component.digest)}`);
  };
  dialog.showModal();
}

// The values of a field: one where a point is added or removed, two where it is changed.
function values(kind, { old, new: now }) {
  if (kind !== "changed") return make("span", {}, now ?? old);
  return [make("span", { class: "removed" }, old ?? "none"), " → ", make("span", { class: "added" }, now ?? "none")];
}

function service() {
  const part = section("service");
  const component = section("build").component;
  const body = document.querySelector("#service .body");
  const parts = [];
  if (part.status === "done") {
    const { difference, old } = part.data;
    const points = difference.points;
    parts.push(make("p", {}, pill(difference.same ? "makes the same" : "differs", difference.same ? "good" : "warn"), ` compared with ${old}, version ${difference.old.version}`));
    parts.push(make("p", { class: "soft" }, `points of the sample: ${points.same} the same, ${points.added} added, ${points.removed} removed, ${points.changed} changed`));
    const rows = difference.differences.map((item) => make("tr", {}, make("td", {}, pill(item.kind, { added: "good", removed: "bad" }[item.kind] ?? "warn")),
      make("td", { class: "mono" }, `${item.series} ${item.time}`),
      make("td", { class: "mono" }, item.fields.map((field) => make("div", {}, `${field.key}: `, ...[values(item.kind, field)].flat())))));
    if (rows.length) parts.push(table(["", "point", "fields"], rows, "Points that differ"));
    const side = (failure, hint) => [failure ?? "loads", hint && `hint: ${hint}`].filter(Boolean).join("\n");
    for (const failed of difference.failed) parts.push(make("pre", { tabindex: "0" }, `${failed.object}\nold: ${side(failed.old, failed.old_hint)}\nnew: ${side(failed.new, failed.new_hint)}`));
  } else {
    parts.push(...missing(part).filter(Boolean));
  }
  if (state.registry && component) {
    const { channel, serves } = state.registry;
    const also = serves ? ` It serves ${serves.join(", ")} as soon as it is promoted.` : "";
    parts.push(make("div", { class: "actions" },
      button(`Publish ${component.version}`, "publish", `Publish ${component.dataset} ${component.version} to s3://${state.registry.bucket}? A version never changes once it is published.${also}`),
      button(`Promote ${component.version} to ${channel}`, "promote", `Promote ${component.dataset} ${component.version} on the channel ${channel}?`)));
  }
  const action = section("action");
  if (action.status !== "none") {
    const kind = { working: "warn working", done: action.succeeded ? "good" : "bad", failed: "bad" }[action.status];
    parts.push(make("p", { id: "action-status" }, pill({ working: "running", done: action.succeeded ? "done" : "failed", failed: "failed" }[action.status], kind), " ", make("code", {}, action.command ?? "")));
    if (action.output || action.error) parts.push(make("pre", { id: "action-output", tabindex: "0" }, action.output ?? action.error));
  }
  body.replaceChildren(...parts);
}

function sample(data) {
  const columns = data.columns.map((column) => make("tr", {}, make("td", { class: "mono" }, column.name), make("td", {}, column.type),
    make("td", { class: "soft" }, column.source_type), make("td", { class: "soft" }, column.nullable ? "may be null" : "")));
  const rows = data.rows.slice(0, 50).map((row) => make("tr", {}, make("td", { class: "row" }, String(row.row)),
    row.cells.map((value) => make("td", { class: "mono" }, value ?? make("span", { class: "null" }, "null")))));
  return [make("p", { class: "soft" }, `${count(data.total, "row")}, ${count(data.columns.length, "column")}`),
    table(["column", "type", "in the file", ""], columns, "Columns of the sample"),
    make("h3", {}, "first rows"),
    table(["row", ...data.read.map((column) => data.columns[column]?.name ?? column)], rows, "First rows of the sample")];
}

const time = (seconds) => seconds == null ? "" : seconds >= 1 ? `${seconds.toFixed(2)} s` : seconds >= 1e-3 ? `${(seconds * 1e3).toFixed(1)} ms` : `${(seconds * 1e6).toFixed(1)} µs`;
const each = (nanoseconds) => nanoseconds == null ? "" : nanoseconds.toFixed(1);

function cost(data) {
  const bars = Object.entries(data.stages).sort((one, other) => other[1].percent - one[1].percent).map(([name, stage]) => {
    const bar = make("i");
    bar.style.width = `${stage.percent}%`;
    return make("div", {}, make("span", {}, name), make("span", { class: "bar" }, bar), make("span", { class: "soft" }, `${stage.percent.toFixed(0)} % · ${time(stage.seconds)}`));
  });
  const names = { plan: "prepare", translate: "translate", convert: "convert" };
  const levels = Object.entries(names).map(([level, name]) => {
    const facts = data.levels[level];
    return make("tr", {}, make("td", {}, name), ...[facts.calls.toLocaleString("en"), time(facts.call_seconds), each(facts.ns_per_file_row)].map((text) => make("td", { class: "number" }, text)));
  });
  const total = Object.values(data.levels).reduce((sum, level) => sum + (level.ns_per_file_row ?? 0), 0);
  return [make("p", {}, make("b", {}, `${total.toFixed(1)} ns a row`), make("span", { class: "soft" }, ` in the sandbox, over ${count(data.rows, "row")} in ${count(data.passes, "pass", "passes")}`)),
    make("div", { class: "bars" }, bars),
    table(["level", "#calls", "#a call", "#ns a row"], levels, "What each level costs"),
    make("p", { class: "soft" }, `memory ${(data.memory_bytes / 1048576).toFixed(1)} of ${(data.memory_limit_bytes / 1048576).toFixed(0)} MiB`)];
}

function render() {
  header();
  fill("sample", sample);
  fill("plan", plan);
  fill("points", points);
  fill("golden", golden);
  service();
  fill("cost", cost);
  document.body.dataset.change = state.change;
}

function notice(text) {
  by("notice").textContent = text;
  by("notice").hidden = !text;
}

// Asks for the state; where it changes meanwhile, once more.
let asking = false;
let again = false;
async function refresh() {
  if (asking) { again = true; return; }
  asking = true;
  try {
    const answer = await fetch("api/state");
    if (!answer.ok) throw new Error(await answer.text());
    state = await answer.json();
    notice("");
    render();
  } catch (error) {
    notice(`The workbench does not answer: ${error.message}\nStart it again, and open the address that it prints.`);
  }
  asking = false;
  if (again) { again = false; refresh(); }
}

async function send(path, body) {
  try {
    const answer = await fetch(path, { method: "POST", body });
    notice(answer.ok ? "" : await answer.text());
  } catch (error) {
    notice(`The workbench does not answer: ${error.message}`);
  }
}

function offer(file) {
  if (!file) return;
  if (file.size > MAXIMUM_BYTES) notice(`${file.name} is larger than 64 MiB: drop a part of it, or start the workbench with --sample.`);
  else send(`api/sample?name=${encodeURIComponent(file.name)}`, file);
}

by("sample-name").addEventListener("change", (event) => send(`api/choose?name=${encodeURIComponent(event.target.value)}`));
by("sample-file").addEventListener("change", (event) => { offer(event.target.files[0]); event.target.value = ""; });
by("samples").addEventListener("submit", (event) => event.preventDefault());
let entered = 0;
addEventListener("dragenter", (event) => { event.preventDefault(); entered++; by("drop").classList.add("on"); });
addEventListener("dragleave", () => { if (--entered <= 0) { entered = 0; by("drop").classList.remove("on"); } });
addEventListener("dragover", (event) => event.preventDefault());
addEventListener("drop", (event) => {
  event.preventDefault();
  entered = 0;
  by("drop").classList.remove("on");
  offer(event.dataTransfer.files[0]);
});

const events = new EventSource("api/events");
events.onmessage = refresh;
events.onerror = refresh;
