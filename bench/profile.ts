import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';

interface Profile {
  readonly nodes: readonly {
    readonly id: number;
    readonly callFrame: { readonly functionName: string; readonly url: string; readonly lineNumber: number };
  }[];
  readonly samples: readonly number[];
  readonly timeDeltas: readonly number[];
}

const TOP = 30;
const NEXT_TO_NOTHING = 0.003;

/** The functions with the most time of their own, of each profile in the directory. */
export function summarize(directory: string): string {
  const files = readdirSync(directory)
    .filter((name) => name.endsWith('.cpuprofile'))
    .sort((one, other) => statSync(join(directory, one)).mtimeMs - statSync(join(directory, other)).mtimeMs);
  return files.map((name) => `\n${name}\n${topOf(JSON.parse(readFileSync(join(directory, name), 'utf8')))}`).join('');
}

function topOf({ nodes, samples, timeDeltas }: Profile): string {
  const names = new Map(
    nodes.map(({ id, callFrame: { functionName, url, lineNumber } }) => [
      id,
      url === '' ? functionName : `${functionName || '(anonymous)'} ${url.split('/').slice(-2).join('/')}:${lineNumber + 1}`,
    ]),
  );
  const own = new Map<string, number>();
  let busy = 0;
  samples.forEach((id, index) => {
    const name = names.get(id) ?? '?';
    const took = timeDeltas[index] ?? 0;
    if (name === '(idle)') return;
    busy += took;
    own.set(name, (own.get(name) ?? 0) + took);
  });
  return [...own]
    .sort(([, one], [, other]) => other - one)
    .slice(0, TOP)
    .filter(([, took]) => took / busy > NEXT_TO_NOTHING)
    .map(([name, took]) => `  ${((took / busy) * 100).toFixed(1).padStart(5)} %  ${name}\n`)
    .join('');
}
