import { settings, valueAt } from '../config-check.ts';
import { type Flags, type Loaded, loadConfig } from '../config-load.ts';
import { readSecret } from '../data-directory.ts';

export async function showConfig(flags: Flags & { readonly json?: true }): Promise<void> {
  const loaded = await loadConfig(flags, process.env);
  const secretFrom = await originOfSecret(loaded.config.data);
  process.stdout.write(flags.json ? asJson(loaded, secretFrom) : asTable(loaded, secretFrom));
}

async function originOfSecret(data: string): Promise<string> {
  if (process.env['PARLEY_SECRET']) return 'PARLEY_SECRET';
  return (await readSecret(data)) === undefined ? 'made on first start' : `${data}/secret`;
}

/** Lines up to be read by eyes; a value that isn't the default stands out by its origin. */
function asTable({ config, file, origins }: Loaded, secretFrom: string): string {
  const rows = settings.map((path) => [path, shown(valueAt(config, path)), origins.get(path) ?? '']);
  rows.push(['secret', '(never shown)', secretFrom]);
  const widths = [0, 1].map((column) => Math.max(...rows.map((row) => (row[column] ?? '').length)));
  const lines = rows.map(
    ([path = '', value = '', origin = '']) => `${path.padEnd(widths[0] ?? 0)}  ${value.padEnd(widths[1] ?? 0)}  ${origin}`,
  );
  return `The configuration in force; the file is ${file}\n\n${lines.join('\n')}\n`;
}

function asJson({ config, file, origins }: Loaded, secretFrom: string): string {
  const values = settings.map((path) => ({ setting: path, value: valueAt(config, path), from: origins.get(path) }));
  return `${JSON.stringify({ file, settings: values, secret: { from: secretFrom } }, null, 2)}\n`;
}

/** As it would be typed into the file. */
function shown(value: unknown): string {
  if (typeof value === 'number' && value >= 10_000) return value.toLocaleString('en').replaceAll(',', '_');
  return typeof value === 'string' ? JSON.stringify(value) : String(value);
}
