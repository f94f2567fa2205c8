#!/usr/bin/env -S node --max-semi-space-size=64
/**
 * `npm start` and `npx parley …`: sees to it that everything is built, then hands over to the program. The flag
 * (in package.json too) gives young objects room: a message's are garbage before they are ever copied.
 */
import './ensure.mjs';

await import('../dist/src/cli/parley.js');
