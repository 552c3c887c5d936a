// Keeps a page's figures fresh while somebody can see them, and says so when they have grown old.
(() => {
  "use strict";
  const panel = document.getElementById("live");
  const stale = document.getElementById("live-stale");
  const address = panel.dataset.address;
  let open = [];

  const answered = () => {
    stale.hidden = true;
  };
  const unanswered = () => {
    const shown = panel.querySelector(".as-of time");
    stale.querySelector("b").textContent = shown ? shown.textContent : "a while";
    stale.hidden = false;
  };

  panel.addEventListener("htmx:beforeRequest", (event) => {
    if (document.hidden) event.preventDefault();
  });
  panel.addEventListener("htmx:beforeSwap", (event) => {
    const from = new URL(event.detail.xhr.responseURL, location.href);
    if (from.pathname !== address) { // logged out: the answer is the login page
      event.detail.shouldSwap = false;
      location.reload();
      return;
    }
    open = [...panel.querySelectorAll("details[open]")].map((one) => one.id);
  });
  panel.addEventListener("htmx:afterSwap", () => {
    open.forEach((id) => document.getElementById(id)?.setAttribute("open", ""));
    answered();
  });
  for (const trouble of ["htmx:sendError", "htmx:responseError", "htmx:timeout"]) {
    panel.addEventListener(trouble, unanswered);
  }
  document.addEventListener("visibilitychange", () => {
    if (!document.hidden) window.htmx.trigger(panel.querySelector("[hx-get]") ?? panel, "refresh");
  });
})();
