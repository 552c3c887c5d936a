"use strict";

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
let known = null; // ids of the threads already shown

function make(tag, className, text) {
  const element = document.createElement(tag);
  if (className) element.className = className;
  if (text !== undefined) element.textContent = text;
  return element;
}

function kindOf(network) { return network.split("/")[0]; }

function label(network) {
  if (!network) return "All networks";
  const [kind, instance] = network.split("/");
  const name = { x: "X", mastodon: "Mastodon", sandbox: "Sandbox" }[kind] || kind;
  return instance ? `${name} · ${instance}` : name;
}

function duration(ms) {
  if (ms < 1000) return `${Number(ms.toFixed(ms < 10 ? 1 : 0))} ms`;
  if (ms < 60000) return `${Number((ms / 1000).toFixed(1))} s`;
  if (ms < 5400000) return `${Math.round(ms / 60000)} min`;
  return `${Math.round(ms / 3600000)} h`;
}

function lateness(ms) {
  const grade = ms < -50 || ms > 2000 ? "bad" : ms > 100 ? "warn" : "good";
  const chip = make("span", `chip ${grade}`, `${duration(Math.abs(ms))} ${ms < 0 ? "early" : "late"}`);
  chip.title = "arrival of the request, measured against the post's due time";
  return chip;
}

function clockTime(seconds) {
  const moment = new Date(seconds * 1000);
  const element = make("time", "", moment.toLocaleTimeString([], { hour12: false }) +
    "." + String(moment.getMilliseconds()).padStart(3, "0"));
  element.dateTime = moment.toISOString();
  element.title = moment.toLocaleString();
  return element;
}

function textWithLinks(text) {
  const paragraph = make("p", "text");
  let position = 0;
  for (const match of text.matchAll(/https?:\/\/[^\s<>"]+[^\s<>".,;:!?')\]]/g)) {
    paragraph.append(text.slice(position, match.index));
    const link = make("a", "", match[0]);
    link.href = match[0];
    link.rel = "noopener noreferrer";
    link.target = "_blank";
    paragraph.append(link);
    position = match.index + match[0].length;
  }
  paragraph.append(text.slice(position));
  return paragraph;
}

function mediaGrid(items) {
  const grid = make("div", `media ${{ 1: "one", 3: "three" }[items.length] || ""}`);
  for (const item of items) {
    if (!item.is_image) {
      grid.append(make("div", "file", "▶ video"));
      continue;
    }
    const image = make("img");
    image.src = item.url;
    image.alt = item.alt;
    image.title = item.alt;
    image.loading = "lazy";
    grid.append(image);
  }
  return grid;
}

function postElement(thread, post, isFirst) {
  const article = make("article", "post" + (post.deleted ? " deleted" : ""));
  article.id = `${thread.network.replace("/", "-")}-${post.id}`;
  const rail = make("div", "rail");
  const avatar = make("div", "avatar", post.account.slice(0, 1).toUpperCase());
  avatar.setAttribute("aria-hidden", "true");
  rail.append(avatar);
  const body = make("div", "body");
  const who = make("div", "who");
  who.append(make("strong", "", post.name), make("span", "handle", `@${post.account}`));
  if (isFirst) who.append(make("span", "badge", label(thread.network)));
  body.append(who);
  if (post.text) body.append(textWithLinks(post.text));
  if (post.media.length) body.append(mediaGrid(post.media));
  const facts = make("div", "facts");
  facts.append(clockTime(post.at));
  if (post.lateness_ms !== null) facts.append(lateness(post.lateness_ms));
  if (post.is_copy) facts.append(make("span", "chip bad", "duplicate"));
  if (post.deleted) facts.append(make("span", "", "deleted"));
  body.append(facts);
  article.append(rail, body);
  return article;
}

function isShown(thread) {
  const fits = !view.network || thread.network === view.network;
  return fits && (!view.account || thread.posts.some((post) => post.account === view.account));
}

function drawFeed() {
  const shown = data.threads.filter(isShown);
  const names = shown.map((thread) => `${thread.network} ${thread.posts[0].id} ${thread.posts.length}`);
  $("feed").replaceChildren(...shown.map((thread, index) => {
    const section = make("section", `thread ${kindOf(thread.network)}`);
    if (known && !known.has(names[index])) section.classList.add("fresh");
    section.append(...thread.posts.map((post, place) => postElement(thread, post, place === 0)));
    return section;
  }));
  known = new Set(data.threads.map((t) => `${t.network} ${t.posts[0].id} ${t.posts.length}`));
  $("empty").hidden = shown.length > 0;
  const everything = !view.network && !view.account;
  $("empty-title").textContent = everything ? "Nothing published yet" : "Nothing published here";
}

function drawNetworks() {
  const counts = Object.entries(data.networks).map(([name, stats]) => [name, stats.count]);
  const total = counts.reduce((sum, [, count]) => sum + count, 0);
  $("networks").replaceChildren(...[["", total], ...counts].map(([name, count]) => {
    const button = make("button", "", name ? label(name) : "All");
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
  const names = ["", ...new Set(["x", "mastodon", ...Object.keys(data.networks), "sandbox"])];
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
  watch().then(() => {
    if (location.hash) document.getElementById(location.hash.slice(1))?.scrollIntoView();
  });
}

prepare();
