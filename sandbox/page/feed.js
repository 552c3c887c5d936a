import { NAMES, duration, kindOf, label, make, mark, postElement } from "/_static/post.js";

const POLL_MS = 1000;
const BUTTONS = [ // label, explanation, what POST /_control gets
  ["429 for 30 s", "Every call is refused with Retry-After for 30 seconds",
    { fail: { status: 429, for_s: 30, retry_after: "left" }, on: "all" }],
  ["Accept and drop", "The next post is published, but its answer is lost", { accept_then_drop: 1 }],
  ["503 three times", "The next three posts are refused and not published", { fail: { status: 503, times: 3 } }],
  ["Hang, land later", "The next post is never answered and appears 5 seconds later", { hang: { lands_after_ms: 5000 } }],
  ["Garbage answer", "The next post is published, but answered with an HTML page", { garbage: 1 }],
  ["Drop before", "The next post's connection is lost before anything is done", { drop_before: 1 }],
  ["2 s slower", "Every new post takes 2 seconds", { latency_ms: 2000 }],
  ["Work takes 20 s", "Files and videos are worked on for 20 seconds before they can be published",
    { processing_ms: 20000 }],
  ["Work fails", "Files and videos are refused after the network has worked on them",
    { processing_fails: "The file could not be processed" }],
  ["Lists lag 10 s", "Lists and lookups do not show posts younger than 10 seconds", { find_lag_ms: 10000 }],
];
const FAULTS = {
  drop_before: "connection lost before anything is done",
  reset: "connection reset before anything is done",
  accept_then_drop: "done, but the answer is lost",
  garbage: "HTML instead of the answer",
  truncated: "answer cut in half",
  slow_drip: "answer byte by byte",
};
const ON = {
  create: "new posts", media: "uploads", find: "reads", delete: "deletions",
  account: "account calls", token: "tokens", consent: "consent pages", all: "every call",
};

const $ = (id) => document.getElementById(id);
const asked = new URLSearchParams(location.search);
const view = { network: asked.get("network") || "", account: asked.get("account") || "" };
let data = null;
let revision = "";
let clockOffset = 0; // server time - browser time, in seconds
let isFirstDrawing = true;
const drawn = new Map(); // thread's key -> what was drawn of it, and from which facts

function isShown(thread) {
  const fits = !view.network || thread.network === view.network;
  return fits && (!view.account || thread.posts.some((post) => post.account === view.account));
}

function keyOf(thread) { return `${thread.network} ${thread.posts[0].id}`; }

function threadElement(thread) {
  const key = keyOf(thread);
  const facts = JSON.stringify(thread);
  const before = drawn.get(key);
  if (before?.facts === facts) return before.section;
  const section = make("section", `thread ${kindOf(thread.network)}`);
  if (!isFirstDrawing && before?.count !== thread.posts.length) section.classList.add("fresh");
  section.append(...thread.posts.map((post, place) => postElement(thread, post, place === 0, now())));
  drawn.set(key, { facts, section, count: thread.posts.length });
  return section;
}

function drawFeed() {
  const shown = data.threads.filter(isShown);
  const wanted = shown.map(threadElement);
  const feed = $("feed");
  for (const old of [...feed.children]) if (!wanted.includes(old)) old.remove();
  // What has its place keeps it: a film goes on playing, an unfolded text stays open.
  wanted.forEach((section, place) => {
    if (feed.children[place] !== section) feed.insertBefore(section, feed.children[place] || null);
  });
  const keys = new Set(data.threads.map(keyOf));
  for (const key of drawn.keys()) if (!keys.has(key)) drawn.delete(key);
  isFirstDrawing = false;
  $("empty").hidden = shown.length > 0;
  const everything = !view.network && !view.account;
  $("empty-title").textContent = everything ? "Nothing published yet" : "Nothing published here";
}

function drawNetworks() {
  const counts = Object.entries(data.networks).map(([name, stats]) => [name, stats.count]);
  const total = counts.reduce((sum, [, count]) => sum + count, 0);
  $("networks").replaceChildren(...[["", total], ...counts].map(([name, count]) => {
    const button = make("button", kindOf(name));
    if (name) button.append(mark(name));
    button.append(name ? label(name) : "All");
    button.type = "button";
    button.setAttribute("aria-pressed", String(view.network === name));
    button.append(make("b", "", count.toLocaleString("en")));
    button.addEventListener("click", () => { view.network = name; remember(); draw(); });
    return button;
  }));
  $("narrowed").hidden = !view.account;
  if (view.account) {
    const all = make("a", "", "show all accounts");
    all.href = "/";
    $("narrowed").replaceChildren(`Only posts of @${view.account}: `, all);
  }
}

function drawSummary() {
  const chosen = Object.entries(data.networks).filter(([n]) => !view.network || n === view.network);
  const sum = (key) => chosen.reduce((total, [, stats]) => total + stats[key], 0);
  const late = data.threads.filter(isShown).flatMap((t) => t.posts)
    .map((post) => post.lateness_ms).filter((ms) => ms !== null).sort((a, b) => a - b);
  const figures = [[sum("count").toLocaleString("en"), "live posts"], [sum("duplicates").toLocaleString("en"), "duplicates"]];
  if (late.length) figures.push([duration(Math.max(0, late[Math.floor(late.length / 2)])), "median lateness"]);
  figures.push([sum("calls").toLocaleString("en"), "calls"]);
  $("summary").replaceChildren(...figures.map(([value, name]) => {
    const figure = make("div", "figure" + (name === "duplicates" && value !== "0" ? " bad" : ""));
    figure.append(make("b", "", value), make("span", "", name));
    return figure;
  }));
  $("summary").hidden = sum("calls") === 0;
}

function describe(name, value) {
  switch (name) {
    case "latency_ms":
      return typeof value === "number" ? `${duration(value)} slower`
        : `${duration(value.min)} to ${duration(value.max)} slower`;
    case "find_lag_ms": return `lists lag ${duration(value)} behind`;
    case "processing_ms": return `works ${duration(value)} on files`;
    case "processing_fails": return `work on files fails: ${value}`;
    case "handle_life_ms": return `uploads live ${duration(value)}`;
    case "duplicate_forgets_after_ms": return `duplicates forgotten after ${duration(value)}`;
    case "idempotency":
      return typeof value === "string" ? `idempotency keys ${value}`
        : `idempotency keys expire after ${duration(value.expire_ms)}`;
    case "rate": return `limit ${value.limit ?? "as usual"}` + (value.window_s ? ` per ${duration(value.window_s * 1000)}` : "");
    case "fail": return `answers ${value.status}` + (value.lands ? ", but does it" : "");
    case "hang": return "never answers" + (value.lands_after_ms !== undefined ? `, lands after ${duration(value.lands_after_ms)}` : "");
    default: return FAULTS[name] || name;
  }
}

function remaining(fault) {
  const parts = [];
  if (fault.skip) parts.push(`after ${fault.skip} more`);
  if (fault.times) parts.push(fault.times === 1 ? "next call" : `next ${fault.times} calls`);
  if (fault.until) parts.push(`${Math.max(0, Math.ceil(fault.until - now()))} s left`);
  return parts.join(", ");
}

function now() { return Date.now() / 1000 + clockOffset; }

function drawRules() {
  const lines = [];
  for (const rule of data.rules) {
    const { network, account, on, ...switches } = rule;
    for (const [name, value] of Object.entries(switches)) {
      for (const one of Array.isArray(value) ? value : [value]) {
        const left = Array.isArray(value) ? remaining(one) : "";
        if (one.until && one.until <= now()) continue;
        const where = [label(network || ""), account ? `@${account}` : "", ON[on], left];
        lines.push([{ network, account, on, [name]: null }, describe(name, one), where.filter(Boolean).join(", ")]);
      }
    }
  }
  $("rules").replaceChildren(...lines.map(([undo, what, where]) => {
    const item = make("li");
    const words = make("span", "", what[0].toUpperCase() + what.slice(1));
    words.append(make("small", "", where));
    const button = make("button", "", "×");
    button.type = "button";
    button.setAttribute("aria-label", `Take back: ${what}`);
    button.addEventListener("click", () => order("POST", "/_control", undo, "Taken back."));
    item.append(words, button);
    return item;
  }));
  $("calm").hidden = lines.length > 0;
  $("reset").disabled = lines.length === 0;
  $("rule-count").hidden = lines.length === 0;
  $("rule-count").textContent = lines.length;
}

function drawTargets() {
  const served = Object.keys(NAMES).filter((kind) => data.kinds.includes(kind));
  const instances = Object.keys(data.networks).filter((name) => name.includes("/"));
  const names = ["", ...served, ...instances];
  const select = $("target");
  if (names.join() === [...select.options].map((o) => o.value).join()) return;
  const chosen = select.value;
  select.replaceChildren(...names.map((name) => {
    const option = make("option", "", name === "mastodon" ? "Mastodon, all instances" : label(name));
    option.value = name;
    return option;
  }));
  select.value = names.includes(chosen) ? chosen : "";
}

function draw() {
  if (!data) return;
  drawNetworks();
  drawSummary();
  drawFeed();
  drawTargets();
  drawRules();
}

function remember() {
  const query = new URLSearchParams(Object.entries(view).filter(([, value]) => value)).toString();
  history.replaceState(null, "", query ? `/?${query}` : "/");
}

function say(text, isBad) {
  $("said").textContent = text;
  $("said").classList.toggle("bad", Boolean(isBad));
}

async function order(method, path, body, done) {
  try {
    const response = await fetch(path, {
      method,
      headers: { "Content-Type": "application/json" },
      body: body === undefined ? undefined : JSON.stringify(body),
    });
    if (!response.ok) throw new Error(await response.text());
    say(done);
    await refresh();
  } catch (error) {
    say(`That did not work: ${error.message}`, true);
  }
}

function setLive(state, text) {
  $("live").className = `live ${state}`;
  $("live-text").textContent = text;
}

async function refresh() {
  try {
    const response = await fetch(`/_feed.json?after=${encodeURIComponent(revision)}`);
    const answer = await response.json();
    clockOffset = answer.now - Date.now() / 1000;
    setLive("on", "live");
    const isNew = answer.revision !== revision;
    data = { ...data, ...answer };
    revision = answer.revision;
    if (isNew) draw(); else drawRules();
  } catch {
    setLive("off", "no answer, trying again");
  }
}

async function watch() {
  if (!document.hidden) await refresh();
  setTimeout(watch, POLL_MS);
}

function seek() {
  for (const old of document.querySelectorAll(".sought")) old.classList.remove("sought");
  const post = location.hash && document.getElementById(decodeURIComponent(location.hash.slice(1)));
  if (!post) return;
  post.classList.add("sought");
  post.scrollIntoView({ block: "center" });
}

function prepare() {
  for (const [text, explanation, switches] of BUTTONS) {
    const button = make("button", "", text);
    button.type = "button";
    button.title = explanation;
    button.addEventListener("click", () => {
      const network = $("target").value || null;
      order("POST", "/_control", { network, ...switches }, `${label(network || "")}: ${explanation[0].toLowerCase()}${explanation.slice(1)}.`);
    });
    $("buttons").append(button);
  }
  $("reset").addEventListener("click", () => order("DELETE", "/_control", undefined, "All networks behave again."));
  $("forget").addEventListener("click", () => {
    if (confirm("Forget all posts, keys and calls of all networks?")) {
      order("DELETE", "/_data", undefined, "Everything is forgotten.");
    }
  });
  $("example").textContent = [
    `curl ${location.origin}/sandbox/posts \\`,
    "  -H 'Authorization: Bearer demo-ada' \\",
    "  -H 'Content-Type: application/json' \\",
    "  -d '{\"text\": \"Hello from the sandbox\"}'",
  ].join("\n");
  $("panel").open = matchMedia("(min-width: 58rem)").matches;
  watch().then(seek);
  addEventListener("hashchange", seek);
}

prepare();
