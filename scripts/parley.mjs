#!/usr/bin/env -S node --v8-pool-size=0
/**
 * `npm start` and `npx parley …`: sees to it that everything is built, then hands over to the program. Node gives V8 four
 * threads to collect garbage with; 0 stands for as many as there are processors beside the one of the program. More than
 * that take processors from those who wait for an answer: a third of the 99th percentile on two of them.
 */
import './ensure.mjs';

await import('../dist/src/cli/parley.js');
