/* Starts Swagger UI on the document that the page names. */
"use strict";
SwaggerUIBundle({
  url: document.getElementById("reference").dataset.url,
  dom_id: "#reference",
  deepLinking: true,
  displayRequestDuration: true,
  validatorUrl: null, // the badge would be asked for at validator.swagger.io
});
