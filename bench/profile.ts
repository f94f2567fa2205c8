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

/** The rooms and the functions with the most time of their own, of each profile in the directory. Of the main thread alone. */
export function summarize(directory: string): string {
  const files = readdirSync(directory)
    .filter((name) => name.endsWith('.cpuprofile'))
    .sort((one, other) => statSync(join(directory, one)).mtimeMs - statSync(join(directory, other)).mtimeMs);
  return files.map((name) => `\n${name}\n${topOf(JSON.parse(readFileSync(join(directory, name), 'utf8')))}`).join('');
}

/** The room of the house that a function is in, or the package. */
function roomOf(url: string, functionName: string): string {
  if (url === '') return functionName.startsWith('(') ? functionName : 'native code';
  if (url.startsWith('node:')) return 'node';
  const at = url.lastIndexOf('/node_modules/');
  if (at >= 0) return url.slice(at + '/node_modules/'.length).split('/')[0] as string;
  return url.split('/').slice(-2, -1)[0] as string;
}

function topOf({ nodes, samples, timeDeltas }: Profile): string {
  const frames = new Map(nodes.map(({ id, callFrame }) => [id, callFrame]));
  const functions = new Map<string, number>();
  const rooms = new Map<string, number>();
  let busy = 0;
  samples.forEach((id, index) => {
    const { functionName, url, lineNumber } = frames.get(id) as Profile['nodes'][number]['callFrame'];
    if (functionName === '(idle)') return;
    const took = timeDeltas[index] ?? 0;
    busy += took;
    const name = url === '' ? functionName : `${functionName || '(anonymous)'} ${url.split('/').slice(-2).join('/')}:${lineNumber + 1}`;
    functions.set(name, (functions.get(name) ?? 0) + took);
    const room = roomOf(url, functionName);
    rooms.set(room, (rooms.get(room) ?? 0) + took);
  });
  const write = (own: ReadonlyMap<string, number>): string =>
    [...own]
      .sort(([, one], [, other]) => other - one)
      .slice(0, TOP)
      .filter(([, took]) => took / busy > NEXT_TO_NOTHING)
      .map(([name, took]) => `  ${((took / busy) * 100).toFixed(1).padStart(5)} %  ${name}\n`)
      .join('');
  return `${write(rooms)}\n${write(functions)}`;
}
