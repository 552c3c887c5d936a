// How one published post looks, in the shape that its network gave it.

export const NAMES = {
  x: "X", linkedin: "LinkedIn", instagram: "Instagram", facebook: "Facebook", threads: "Threads",
  tiktok: "TikTok", youtube: "YouTube", deviantart: "DeviantArt", mastodon: "Mastodon",
  bluesky: "Bluesky", telegram: "Telegram", sandbox: "Sandbox",
};
const LONG_TEXT = 900; // characters; the rest folds away
const TALL_KINDS = new Set(["reel", "story", "short"]);

export function make(tag, className, text) {
  const element = document.createElement(tag);
  if (className) element.className = className;
  if (text !== undefined) element.textContent = text;
  return element;
}

export function kindOf(network) { return network.split("/")[0]; }

export function label(network) {
  if (!network) return "All networks";
  const [kind, instance] = network.split("/");
  const name = NAMES[kind] || kind;
  return instance ? `${name} · ${instance}` : name;
}

export function mark(network) {
  const SVG = "http://www.w3.org/2000/svg";
  const drawing = document.createElementNS(SVG, "svg");
  drawing.setAttribute("class", "mark");
  drawing.setAttribute("aria-hidden", "true");
  const use = document.createElementNS(SVG, "use");
  use.setAttribute("href", `/_static/marks.svg#${kindOf(network)}`);
  drawing.append(use);
  return drawing;
}

export function duration(ms) {
  if (ms < 1000) return `${Number(ms.toFixed(ms < 10 ? 1 : 0))} ms`;
  if (ms < 60000) return `${Number((ms / 1000).toFixed(1))} s`;
  if (ms < 5400000) return `${Math.round(ms / 60000)} min`;
  return `${Math.round(ms / 3600000)} h`;
}

export function postElement(thread, post, isFirst, now) {
  const isComment = post.kind === "comment";
  const article = make("article", ["post", post.deleted && "deleted", isComment && "comment"].filter(Boolean).join(" "));
  article.id = `${thread.network.replace("/", "-")}-${post.id}`;
  const rail = make("div", "rail");
  const avatar = make("div", "avatar", post.account.slice(0, 1).toUpperCase());
  avatar.setAttribute("aria-hidden", "true");
  rail.append(avatar);
  const body = make("div", "body");
  body.append(whoLine(thread, post, isFirst));
  if (post.title) body.append(make("h3", "title", post.title));
  if (post.text) body.append(...textParts(post.text));
  if (post.media.length) body.append(mediaGrid(thread, post));
  const card = linkCard(post.link);
  if (card) body.append(card);
  if (post.tags?.length) body.append(make("p", "tags", post.tags.map((tag) => `#${tag}`).join(" ")));
  body.append(facts(post, article.id, now));
  article.append(rail, body);
  return article;
}

function whoLine(thread, post, isFirst) {
  const who = make("div", "who");
  who.append(make("strong", "", post.name), make("span", "handle", `@${post.account}`));
  const ends = make("span", "ends");
  if (post.kind) ends.append(make("span", "kind", words(post.kind)));
  if (isFirst) {
    const badge = make("span", "badge");
    badge.append(mark(thread.network), label(thread.network));
    ends.append(badge);
  }
  if (ends.childNodes.length) who.append(ends);
  return who;
}

function textParts(text) {
  if (text.length <= LONG_TEXT) return [textWithLinks(text)];
  const cut = text.lastIndexOf(" ", LONG_TEXT) > 0 ? text.lastIndexOf(" ", LONG_TEXT) : LONG_TEXT;
  const rest = make("details", "rest");
  rest.append(make("summary", "", `and ${(text.length - cut).toLocaleString("en")} characters more`), textWithLinks(text.slice(cut).trimStart()));
  return [textWithLinks(text.slice(0, cut) + " …"), rest];
}

function textWithLinks(text) {
  const paragraph = make("p", "text");
  let position = 0;
  for (const match of text.matchAll(/https?:\/\/[^\s<>"]+[^\s<>".,;:!?')\]]/g)) {
    paragraph.append(text.slice(position, match.index), outwardLink(match[0], match[0]));
    position = match.index + match[0].length;
  }
  paragraph.append(text.slice(position));
  return paragraph;
}

function outwardLink(url, text, className) {
  const link = make("a", className || "", text);
  link.href = url;
  link.rel = "noopener noreferrer";
  link.target = "_blank";
  return link;
}

function mediaGrid(thread, post) {
  const items = post.media;
  const size = { 1: "one", 3: "three" }[items.length] || (items.length > 4 ? "many" : "");
  const isTall = TALL_KINDS.has(post.kind) || kindOf(thread.network) === "tiktok";
  const grid = make("div", `media ${size}${isTall ? " tall" : ""}`);
  grid.append(...items.map((item) => medium(item, post)));
  return grid;
}

function medium(item, post) {
  const [type] = item.mime_type.split("/");
  if (type !== "image" && type !== "video") return tile(item);
  const element = make(type === "image" ? "img" : "video");
  if (type === "image") {
    element.alt = item.alt;
    element.loading = "lazy";
  } else {
    element.controls = true;
    element.playsInline = true;
    element.preload = "metadata";
    if (post.cover) element.poster = post.cover;
    element.setAttribute("aria-label", item.alt || "video");
  }
  element.title = item.alt;
  // A file for a test has no pictures in it: then its kind and size stand there.
  element.addEventListener("error", () => element.replaceWith(tile(item, post.cover)), { once: true });
  element.src = item.url;
  return element;
}

function tile(item, cover) {
  const figure = make("div", "file");
  if (cover) {
    const image = make("img");
    image.alt = "";
    image.addEventListener("error", () => image.remove(), { once: true });
    image.src = cover;
    figure.append(image);
  }
  const sign = { video: "▶", image: "▣", audio: "♪" }[item.mime_type.split("/")[0]] || "▤";
  const about = make("span");
  about.append(make("b", "", sign), item.mime_type || "file", make("small", "", fileSize(item.bytes)));
  if (item.alt) about.append(make("small", "", item.alt));
  figure.append(about);
  return figure;
}

function fileSize(bytes) {
  if (bytes < 1000) return `${bytes} bytes`;
  if (bytes < 1e6) return `${(bytes / 1e3).toFixed(1)} kB`;
  return `${(bytes / 1e6).toFixed(1)} MB`;
}

function linkCard(given) {
  if (!given) return null;
  const link = typeof given === "string" ? { url: given } : given;
  const url = URL.canParse(String(link.url)) ? new URL(link.url) : null;
  if (!url || !/^https?:$/.test(url.protocol)) return null;
  const card = outwardLink(url.href, "", "card");
  card.append(make("small", "", url.host));
  if (link.title) card.append(make("b", "", link.title));
  if (link.description) card.append(make("span", "", link.description));
  if (!link.title && !link.description) card.append(make("span", "", url.href));
  return card;
}

function facts(post, anchor, now) {
  const row = make("div", "facts");
  row.append(clockTime(post.at));
  if (post.lateness_ms !== null) row.append(lateness(post.lateness_ms));
  if (post.is_copy) row.append(make("span", "chip bad", "duplicate"));
  if (post.visibility && !/^(public|everyone)/i.test(post.visibility)) row.append(make("span", "chip plain", words(post.visibility)));
  if (post.expires_at) row.append(make("span", "chip plain", post.expires_at > now ? `vanishes in ${duration((post.expires_at - now) * 1000)}` : "vanished"));
  for (const [name, value] of Object.entries(post.options || {})) {
    row.append(make("span", "chip plain", `${words(name)}: ${words(String(value))}`));
  }
  if (post.deleted) row.append(make("span", "", "deleted"));
  if (post.url) row.append(address(post.url, anchor));
  return row;
}

function address(url, anchor) {
  // The address exists in the imitation only: it leads to the post's place on this page.
  const link = make("a", "address", String(url).replace(/^https?:\/\/(www\.)?/, ""));
  link.href = `#${encodeURIComponent(anchor)}`;
  link.title = `${url} (as the network gave it; leads to this post's place here)`;
  return link;
}

function words(text) {
  return /^[A-Z_]+$/.test(text) ? text.toLowerCase().replaceAll("_", " ") : text.replaceAll("_", " ");
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
