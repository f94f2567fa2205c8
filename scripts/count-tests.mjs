/**
 * Reads TAP from stdin, shows one line per test file and every failure whole, and writes
 * `{"passed", "failed", "skipped"}` to the file named as argument. What has tests inside counts by these.
 */
import { writeFileSync } from 'node:fs';
import { createInterface } from 'node:readline';

const total = { passed: 0, failed: 0, skipped: 0 };
let inFile = { passed: 0, failed: 0 };
/** How deep the last test point stood: one that is less deep closes it, and isn't counted itself. */
let lastDepth = 0;
/** In diagnostics stand other people's words; nothing in there is a test point. */
let inDiagnostics = false;
let showing = false;

const say = (line) => process.stdout.write(`${line}\n`);

function point(line, indent, passed, rest) {
  const parent = indent < lastDepth || rest.endsWith(' {');
  lastDepth = indent;
  showing = false;
  if (/ # (SKIP|TODO)\b/i.test(rest)) {
    if (!parent) total.skipped += 1;
  } else if (!parent || (indent === 0 && !passed && inFile.failed === 0)) {
    // The second: a file that fails although all in it passed has crashed, or has planned for more.
    const verdict = passed ? 'passed' : 'failed';
    total[verdict] += 1;
    inFile[verdict] += 1;
    showing = !passed;
    if (showing) say(line);
  }
  if (indent === 0) {
    const [, name = rest, time = ''] = /^ \d+ - (.*?)(?: # time=(\S+))?$/.exec(rest) ?? [];
    say(`${passed ? 'ok    ' : 'NOT OK'} ${name}: ${inFile.passed} passed, ${inFile.failed} failed  ${time}`);
    inFile = { passed: 0, failed: 0 };
  }
}

for await (const line of createInterface({ input: process.stdin })) {
  if (inDiagnostics || /^ *---$/.test(line)) {
    inDiagnostics = !/^ *\.\.\.$/.test(line);
    if (showing) say(line);
    continue;
  }
  const found = /^( *)(ok|not ok)\b(.*)$/.exec(line);
  if (found !== null) point(line, found[1].length, found[2] === 'ok', found[3]);
  else if (/^Bail out!/.test(line)) say(line);
}

writeFileSync(process.argv[2], JSON.stringify(total));
