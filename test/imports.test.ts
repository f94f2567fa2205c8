import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import t from 'tap';

const root = fileURLToPath(new URL('..', import.meta.url));
const sources = readdirSync(join(root, 'src'), { recursive: true, encoding: 'utf8' }).filter((file) => file.endsWith('.ts'));

t.test('every source file loads by itself, so that coverage counts those that no test uses', async (t) => {
  for (const file of sources) {
    if (file === join('cli', 'parley.ts')) continue; // it runs the program
    await t.resolves(import(join(root, 'src', file)), file);
  }
});
