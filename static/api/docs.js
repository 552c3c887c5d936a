"use strict";

// A file of its own, for our pages run no code but files of ours.
const place = document.getElementById("docs");

const night = matchMedia("(prefers-color-scheme: dark)");
const dress = () => document.documentElement.classList.toggle("dark-mode", night.matches);
night.addEventListener("change", dress);
dress();

SwaggerUIBundle({
  url: place.dataset.schema,
  domNode: place,
  deepLinking: true,
  docExpansion: "list",
  defaultModelsExpandDepth: 0,
  persistAuthorization: false, // a key stays in this page, and goes with it
  validatorUrl: null,
  requestInterceptor: (request) => {
    // Who is logged in to the site may try operations with the session.
    if (request.method && request.method !== "GET") {
      request.headers["X-CSRFToken"] = place.dataset.csrf;
    }
    return request;
  },
});
