/* Starts Scalar on the document that the page names; whatever asks foreign hosts is off. */
"use strict";
const place = document.getElementById("reference");
const source = new URL(place.dataset.url, document.baseURI);
Scalar.createApiReference(place, {
  url: source.href,
  // Behind a prefix of a proxy, requests go through that prefix too.
  servers: [{ url: new URL(".", source).href.replace(/\/$/, "") }],
  withDefaultFonts: false,
  proxyUrl: "",
  telemetry: false,
  showDeveloperTools: "never",
  hideClientButton: true,
  agent: { disabled: true },
  mcp: { disabled: true },
});
