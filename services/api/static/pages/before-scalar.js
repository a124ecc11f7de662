/* Read by Scalar's validator (zod) when it is loaded: otherwise it tries whether it may turn text into
   code, which the policy of the page forbids and the browser reports. */
"use strict";
globalThis.__zod_globalConfig = { jitless: true };
