// The inbox: every message in the shape its reader would see. All text is set as text, never as HTML.
import { make, mark } from "/_static/post.js";

const POLL_MS = 1000;
const OFFICES = { sendgrid: "E-mail", twilio: "SMS", fcm: "Push", slack: "Slack", callbacks: "Callbacks" };
const BUTTONS = [ // label, explanation, what POST /_control gets
  ["429 for 30 s", "Every call is refused with Retry-After for 30 seconds",
    { fail: { status: 429, for_s: 30, retry_after: "left" }, on: "all" }],
  ["401 for 30 s", "Our credentials are refused for 30 seconds", { fail: { status: 401, for_s: 30 } }],
  ["503 three times", "The next three messages are refused and not delivered", { fail: { status: 503, times: 3 } }],
  ["Accept and drop", "The next message is delivered, but its answer is lost", { accept_then_drop: 1 }],
  ["Hang", "The next message is never answered and not delivered", { hang: 1 }],
  ["Garbage answer", "The next message is delivered, but answered with an HTML page", { garbage: 1 }],
];
const $ = (id) => document.getElementById(id);
const view = { office: new URLSearchParams(location.search).get("office") || "" };
const drawn = new Map(); // letter's id -> its element, and the facts it was drawn from
let data = null;
let revision = "";

function officeLabel(office) { return OFFICES[office] || office; }

function letterElement(letter) {
  const facts = JSON.stringify(letter);
  const before = drawn.get(letter.id);
  if (before?.facts === facts) return before.element;
  const element = make("article", `letter ${letter.office}`);
  element.append(head(letter), ...(SHAPES[letter.office] || raw)(letter), facets(letter));
  drawn.set(letter.id, { facts, element });
  return element;
}

function head(letter) {
  const line = make("div", "head");
  const badge = make("span", "badge");
  badge.append(mark(letter.office), officeLabel(letter.office));
  line.append(make("span", "to", letter.to), make("span", "from", letter.sender && `from ${letter.sender}`), badge);
  return line;
}

function facets(letter) {
  const row = make("div", "facts");
  const moment = new Date(letter.at * 1000);
  const time = make("time", "", moment.toLocaleTimeString([], { hour12: false }));
  time.dateTime = moment.toISOString();
  time.title = moment.toLocaleString();
  row.append(time);
  if (letter.status) {
    const tone = { delivered: "good", undelivered: "bad" }[letter.status] || "plain";
    row.append(make("span", `chip ${tone}`, letter.status));
  }
  if (letter.is_copy) row.append(make("span", "chip bad", "duplicate"));
  return row;
}

const SHAPES = {
  sendgrid(letter) {
    const { subject, text, html, headers } = letter.content;
    const frame = make("iframe");
    frame.sandbox = "allow-popups";
    frame.referrerPolicy = "no-referrer";
    frame.title = `HTML part of ${subject}`;
    if (html) frame.src = `/_inbox/${encodeURIComponent(letter.id)}.html`;
    const plain = make("pre", "", text);
    const parts = make("div", "parts");
    const choose = (isHtml) => {
      frame.hidden = !isHtml;
      plain.hidden = isHtml;
      parts.children[0].setAttribute("aria-pressed", String(isHtml));
      parts.children[1].setAttribute("aria-pressed", String(!isHtml));
    };
    for (const [words, isHtml] of [["HTML", true], ["Text", false]]) {
      const button = make("button", "", words);
      button.type = "button";
      button.addEventListener("click", () => choose(isHtml));
      parts.append(button);
    }
    choose(Boolean(html));
    return [make("h3", "subject", subject), parts, frame, plain, pieces(headers || {})];
  },
  twilio(letter) { return [make("div", "bubble", letter.content.text)]; },
  fcm(letter) {
    const { notification, data: more } = letter.content;
    const notice = make("div", "notice");
    notice.append(make("b", "", notification?.title), make("span", "", notification?.body), make("small", "", more?.link));
    return [notice, pieces(more || {})];
  },
  slack(letter) {
    const blocks = letter.content.blocks.length ? letter.content.blocks : [{ type: "section", text: { text: letter.content.text } }];
    return blocks.map((block) => {
      const element = make("div", `block ${block.type}`);
      for (const piece of block.elements || [block.text]) element.append(mrkdwn(piece?.text || ""));
      return element;
    });
  },
  callbacks(letter) { return [make("pre", "", JSON.stringify(letter.content.body, null, 2)), pieces(letter.content.headers || {})]; },
};

function raw(letter) { return [make("pre", "", JSON.stringify(letter.content, null, 2))]; }

function mrkdwn(text) {
  const span = make("span");
  let position = 0;
  for (const match of text.matchAll(/<(https?:[^|>]+)\|([^>]*)>/g)) {
    const link = make("a", "", unescape(match[2]));
    link.href = unescape(match[1]);
    link.rel = "noopener noreferrer";
    link.target = "_blank";
    span.append(unescape(text.slice(position, match.index)), link);
    position = match.index + match[0].length;
  }
  span.append(unescape(text.slice(position)));
  return span;
}

function unescape(text) { return text.replaceAll("&lt;", "<").replaceAll("&gt;", ">").replaceAll("&amp;", "&"); }

function pieces(values) {
  const list = make("dl", "pieces");
  for (const [name, value] of Object.entries(values)) list.append(make("dt", "", name), make("dd", "", String(value)));
  return list;
}

function drawOffices() {
  const total = Object.values(data.counts).reduce((sum, count) => sum + count, 0);
  $("offices").replaceChildren(...[["", total], ...Object.entries(data.counts)].map(([office, count]) => {
    const button = make("button", office);
    if (office) button.append(mark(office));
    button.append(office ? officeLabel(office) : "All", make("b", "", count.toLocaleString("en")));
    button.type = "button";
    button.setAttribute("aria-pressed", String(view.office === office));
    button.addEventListener("click", () => {
      view.office = office;
      history.replaceState(null, "", office ? `/inbox?office=${office}` : "/inbox");
      revision = "";
      refresh();
    });
    return button;
  }));
}

function draw() {
  drawOffices();
  const wanted = data.letters.map(letterElement);
  const list = $("letters");
  for (const old of [...list.children]) if (!wanted.includes(old)) old.remove();
  wanted.forEach((element, place) => {
    if (list.children[place] !== element) list.insertBefore(element, list.children[place] || null);
  });
  const ids = new Set(data.letters.map((letter) => letter.id));
  for (const id of drawn.keys()) if (!ids.has(id)) drawn.delete(id);
  $("empty").hidden = wanted.length > 0;
}

function drawRules() {
  const count = data.rules.length;
  $("calm").textContent = count ? `${count} rule${count === 1 ? " is" : "s are"} in force; the feed's page lists them.` : "All providers behave.";
  $("reset").disabled = count === 0;
  $("rule-count").hidden = count === 0;
  $("rule-count").textContent = count;
}

async function refresh() {
  try {
    const query = new URLSearchParams({ after: revision, ...(view.office ? { office: view.office } : {}) });
    const answer = await (await fetch(`/_inbox.json?${query}`)).json();
    $("live").className = "live on";
    $("live-text").textContent = "live";
    const isNew = answer.revision !== revision;
    data = { ...data, ...answer };
    revision = answer.revision;
    if (isNew) draw();
    drawRules();
  } catch {
    $("live").className = "live off";
    $("live-text").textContent = "no answer, trying again";
  }
}

async function order(method, path, body, done) {
  const response = await fetch(path, {
    method,
    headers: { "Content-Type": "application/json" },
    body: body === undefined ? undefined : JSON.stringify(body),
  });
  $("said").textContent = response.ok ? done : `That did not work: ${await response.text()}`;
  $("said").classList.toggle("bad", !response.ok);
  await refresh();
}

async function watch() {
  if (!document.hidden) await refresh();
  setTimeout(watch, POLL_MS);
}

for (const [office, name] of Object.entries(OFFICES)) {
  const option = make("option", "", name);
  option.value = office;
  $("target").append(option);
}
for (const [text, explanation, switches] of BUTTONS) {
  const button = make("button", "", text);
  button.type = "button";
  button.title = explanation;
  button.addEventListener("click", () => {
    const network = $("target").value;
    order("POST", "/_control", { network, ...switches }, `${officeLabel(network)}: ${explanation[0].toLowerCase()}${explanation.slice(1)}.`);
  });
  $("buttons").append(button);
}
$("reset").addEventListener("click", () => order("DELETE", "/_control", undefined, "All behave again."));
$("panel").open = matchMedia("(min-width: 58rem)").matches;
watch();
