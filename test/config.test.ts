import { writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import t from 'tap';
import shown from '../cluster.config.ts';
import { defaults, gatewaySettings, messengerLimits } from '../src/config.ts';
import { settings, valueAt } from '../src/config-check.ts';
import { type Environment, type Flags, loadConfig, unknownVariables } from '../src/config-load.ts';
import { Failure } from '../src/failure.ts';
import { defaultGatewaySettings } from '../src/transport/settings.ts';
import { temporaryDirectory } from './support/data.ts';

const load = (flags: Flags = {}, env: Environment = {}) => loadConfig(flags, env);

/** The sentence with which a file of this content is refused. */
async function refusal(t: Parameters<typeof temporaryDirectory>[0], content: string, name = 'parley.json'): Promise<string> {
  const file = join(await temporaryDirectory(t), name);
  await writeFile(file, content);
  try {
    await load({ config: file });
  } catch (error) {
    if (error instanceof Failure) return error.message.replaceAll(file, name);
    throw error;
  }
  return 'it was taken';
}

t.test('cluster.config.ts shows every setting, with its default', async (t) => {
  for (const path of settings) t.same(valueAt(shown, path), valueAt(defaults, path), path);
});

t.test('every default is a value that may be given', async (t) => {
  const file = join(await temporaryDirectory(t), 'all.json');
  await writeFile(file, JSON.stringify(defaults));
  const { config } = await load({ config: file });
  t.same(config, { ...defaults, data: resolve('data') });
});

t.test('the gateway and the actors get what the configuration says', async (t) => {
  t.same(gatewaySettings(defaults), defaultGatewaySettings);
  t.equal(messengerLimits(defaults).devicesMax, defaults.limits.devicesMax);
  t.equal(messengerLimits(defaults).cacheEntriesMax, 15);
});

t.test('a flag wins over a variable, a variable over the file, the file over the default', async (t) => {
  const file = join(await temporaryDirectory(t), 'parley.json');
  await writeFile(file, JSON.stringify({ listen: { port: 1001, host: '127.0.0.1' }, limits: { devicesMax: 3 } }));
  const from = async (flags: Flags, env: Environment) => {
    const { config, origins } = await load({ config: file, ...flags }, env);
    return [config.listen.port, origins.get('listen.port')];
  };
  t.same(await from({ port: '1003' }, { PARLEY_PORT: '1002' }), [1003, '--port']);
  t.same(await from({}, { PARLEY_PORT: '1002' }), [1002, 'PARLEY_PORT']);
  t.same((await from({}, {}))[0], 1001);
  t.match((await from({}, {}))[1], /parley\.json$/);
  const { config, origins } = await load({ config: file });
  t.equal(config.limits.devicesMax, 3);
  t.equal(config.limits.watchMax, defaults.limits.watchMax, 'what the file leaves out stays');
  t.equal(origins.get('limits.watchMax'), 'default');
});

t.test('each flag has a variable of the same name', async (t) => {
  const env = { PARLEY_HOST: '127.0.0.1', PARLEY_PORT: '9', PARLEY_DATA: '/tmp/there', PARLEY_LIMITS: 'off' };
  const { config } = await load({}, env);
  t.match(config, { listen: { host: '127.0.0.1', port: 9 }, data: '/tmp/there', rates: { on: false } });
  const file = join(await temporaryDirectory(t), 'parley.json');
  await writeFile(file, '{"node":"elsewhere"}');
  t.equal((await load({}, { PARLEY_CONFIG: file })).config.node, 'elsewhere');
  t.equal((await load({}, { PARLEY_PORT: '' })).config.listen.port, defaults.listen.port, 'an empty variable says nothing');
});

t.test('without --config the project’s own file counts, also on a Node that can’t read TypeScript', async (t) => {
  t.match((await load()).file, /cluster\.config\.ts$/);
  t.match((await load({ config: 'cluster.config.ts' })).file, /cluster\.config\.ts$/);
});

t.test('a file may be .mjs, .js or .json everywhere, and .ts where Node reads it', async (t) => {
  const directory = await temporaryDirectory(t);
  const at = (name: string) => join(directory, name);
  await writeFile(at('a.mjs'), 'export default { node: "a" };');
  await writeFile(at('b.js'), 'module.exports = { node: "b" };');
  await writeFile(at('c.json'), '{ "node": "c" }');
  await writeFile(at('d.mts'), 'const node: string = "d"; export default { node };');
  for (const name of ['a.mjs', 'b.js', 'c.json']) t.equal((await load({ config: at(name) })).config.node, name[0], name);
  const typescript = load({ config: at('d.mts') });
  if ((process.features as { typescript?: unknown }).typescript) t.equal((await typescript).config.node, 'd');
  else await t.rejects(typescript, { message: /can't read TypeScript; name it \.mjs or \.json, or use Node 22\.18 or later/ });
});

t.test('what is wrong names itself, what was expected, and the nearest setting', async (t) => {
  const refused: [unknown, RegExp][] = [
    [{ limits: { bodyBytesMx: 5 } }, /^parley\.json: there is no setting limits\.bodyBytesMx; did you mean limits\.bodyBytesMax\?$/],
    [{ port: 80 }, /there is no setting port; did you mean listen\.port\?/],
    [{ listn: {} }, /there is no setting listn; did you mean listen\?/],
    [{ runtime: { devicesMax: 5 } }, /did you mean limits\.devicesMax\?/],
    [{ rates: { sends: {} } }, /did you mean rates\.sendsPerUser\?/],
    [{ something: 1 }, /there is no setting something \(`parley config` lists them all\)/],
    [{ listen: { port: 'http' } }, /listen\.port is "http", and should be a whole number from 0 to 65,535/],
    [{ listen: { port: 65_536 } }, /listen\.port is 65536, and should be/],
    [{ limits: { helloTimeoutMs: -1 } }, /limits\.helloTimeoutMs is -1, and should be a whole number of milliseconds from 0 to/],
    [{ limits: { bodyBytesMax: 1.5 } }, /limits\.bodyBytesMax is 1\.5, and should be a whole number of bytes, 1 or more/],
    [{ rates: { sendsPerUser: { perSecond: 0 } } }, /rates\.sendsPerUser\.perSecond is 0, and should be a number above 0/],
    [{ rates: { on: 'no' } }, /rates\.on is "no", and should be true or false/],
    [{ store: 'redis' }, /store is "redis", and should be one of "leveldb", "memory"/],
    [{ listen: 8080 }, /listen is 8080, and should be a group of settings/],
    [{ data: null }, /data is null, and should be a text/],
    [[], /the configuration is \[\], and should be a group of settings/],
    [{ limits: { bodyBytesMax: 100_000 } }, /limits\.bodyBytesMax is 100000, and should be at most limits\.frameBytesMax, which is 65536/],
    [
      { runtime: { deriveEveryMs: 20_000 } },
      /runtime\.deriveEveryMs is 20000, and should be at most runtime\.deriveEveryMaxMs, which is 10000/,
    ],
  ];
  for (const [content, sentence] of refused) t.match(await refusal(t, JSON.stringify(content)), sentence);
  const two = await refusal(t, '{"listen":{"prt":1},"node":""}');
  t.match(two, /listen\.prt; did you mean listen\.port\?/, 'all that is wrong is said at once');
  t.match(two, /node is "", and should be/);
});

t.test('a file that can’t be used says why', async (t) => {
  t.match(await refusal(t, '{'), /^parley\.json: this isn't JSON/);
  t.match(await refusal(t, 'export const port = 1;', 'parley.mjs'), /^parley\.mjs: it has no default export; write `export default/);
  t.match(await refusal(t, 'export default {', 'parley.mjs'), /^parley\.mjs: it can't be read/);
  t.match(await refusal(t, 'import "./nowhere.mjs";', 'parley.mjs'), /needs no import/);
  t.match(await refusal(t, 'port: 1', 'parley.yaml'), /a configuration file ends in \.ts, \.mjs, \.js or \.json/);
  await t.rejects(load({ config: '/nowhere/parley.json' }), { message: '/nowhere/parley.json: there is no such file' });
});

t.test('a wrong flag or variable names itself', async (t) => {
  await t.rejects(load({ port: 'http' }), { message: '--port: listen.port is "http", and should be a whole number from 0 to 65,535' });
  await t.rejects(load({}, { PARLEY_PORT: '-1' }), { message: /^PARLEY_PORT: listen\.port is "-1"/ });
  await t.rejects(load({ limits: 'of' }), { message: '--limits is "of", and should be "on" or "off"' });
});

t.test('variables that look like Parley’s and aren’t are named', async (t) => {
  const env = { PARLEY_PROT: '1', PARLEY_PORT: '1', PARLEY_SECRET: 's', PARLEY_CONFIG: 'c', PATH: '/bin', PARLEY_LIMIT: 'off' };
  t.same(unknownVariables(env), ['PARLEY_LIMIT', 'PARLEY_PROT']);
});

t.test('of several faults each stands in a line of its own', async (t) => {
  const message = await refusal(t, '{"nod": 1, "limits": {"bodyDepthMax": "deep"}}');
  t.match(message, /:\n {2}limits\.bodyDepthMax is "deep", and should be [^\n]*\n {2}there is no setting nod; did you mean node\?$/);
});
