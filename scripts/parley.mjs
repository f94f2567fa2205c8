#!/usr/bin/env node
/** `npm start` and `npx parley …`: sees to it that everything is built, then hands over to the program. */
import './ensure.mjs';

await import('../dist/src/cli/parley.js');
