import { readFileSync } from 'node:fs';
import { Command } from 'commander';
import { type Flags, unknownVariables } from '../config-load.ts';
import { StartError } from '../storage/start-error.ts';
import { showConfig } from './show-config.ts';
import { status } from './status.ts';
import { token } from './token.ts';

const EXAMPLES = `
Try it:
  npx parley start                   listens on port 8080, keeps everything in ./data
  npx parley token alice             a token to connect with as alice
  npx parley status                  how the node on ./data is doing

--port, --host, --data, --config and --limits have variables of the same names: PARLEY_PORT and so on. Flags win over
variables, variables over the file, the file over the defaults: \`parley config\` shows what came from where.
PARLEY_SECRET signs tokens; without it a secret is made on first start and kept in DATA/secret.`;

const TOKEN_EXAMPLES = `
Examples:
  npx parley token alice                      for 30 days
  npx parley token alice --ttl 3600           for an hour; a negative number makes an expired one, for tests
  TOKEN=$(npx parley token alice --data /srv/parley)

The token stands alone on the last line of the output.`;

const START_EXAMPLES = `
Examples:
  npx parley start
  npx parley start --port 9000 --data /srv/parley
  npx parley start --limits off               no rates: for benches and tests

SIGTERM or Ctrl-C stops it: clients are told, what is in flight is finished, everything is stored. A second
one ends it at once, which loses nothing that was acknowledged.`;

/** Engines and sockets are loaded only here: the other commands don't need them, and go where these don't. */
async function loadStart(): Promise<typeof import('./start.ts')> {
  try {
    return await import('./start.ts');
  } catch (error) {
    const wanted = /version `GLIBC_([\d.]+)' not found/.exec(String(error))?.[1];
    if (wanted === undefined) throw error;
    const advice = `uWebSockets.js for Node ${process.versions.node} needs glibc ${wanted} or later, which this system doesn't have`;
    throw new StartError(`${advice}; Node 20 does with the glibc that is here`, { cause: error });
  }
}

const located = (command: Command): Command =>
  command
    .option('--data <directory>', 'where everything is kept (default: ./data)')
    .option('--config <file>', 'a configuration file: .mjs, .js or .json, and .ts from Node 22.18 on (default: cluster.config.ts)');

const network = (command: Command): Command =>
  located(command)
    .option('--port <number>', 'the port to listen on (default: 8080; 0: any that is free)')
    .option('--host <address>', 'the address to listen on (default: 0.0.0.0, all of them)')
    .option('--limits <on|off>', 'off lifts the rates, not the sizes');

/** As package.json says; this file is in dist/src/cli when built. */
const version = (): string =>
  (JSON.parse(readFileSync(new URL('../../../package.json', import.meta.url), 'utf8')) as { version: string }).version;

/** The command line: what can be typed, and what it says about itself. */
export function program(): Command {
  const parley = new Command('parley')
    .configureOutput({ outputError: (text, write) => write(text.replace(/^error: /, 'parley: ')) })
    .description('A messenger server that keeps its promise: acknowledged messages are never lost, doubled or out of order.')
    .helpCommand('help [command]', 'what a command does and takes')
    .version(version(), '-V, --version', 'the version of Parley')
    .showHelpAfterError('(npx parley --help says what there is; with the name of a command before it, what that takes)')
    .addHelpText('after', EXAMPLES);
  network(parley.command('start'))
    .description('run a node')
    .addHelpText('after', START_EXAMPLES)
    .action(async (flags: Flags) => {
      const { start } = await loadStart();
      await start(flags);
    });
  located(parley.command('token <user>'))
    .description('print a token for a user')
    .option('--ttl <seconds>', 'for how long it is good (default: tokens.ttlMs, 30 days)')
    .addHelpText('after', TOKEN_EXAMPLES)
    .action((user: string, flags: Flags & { ttl?: string }) => token(user, flags));
  located(parley.command('status'))
    .description('how the running node is doing: users, connections, messages/s, latency, store, memory')
    .option('--json', 'for machines')
    .action((flags: Flags & { json?: true }) => status(flags));
  network(parley.command('config'))
    .description('the configuration in force, and where each value came from')
    .option('--json', 'for machines')
    .action((flags: Flags & { json?: true }) => showConfig(flags));
  parley.hook('preAction', () => {
    for (const variable of unknownVariables(process.env)) {
      process.stderr.write(`parley: ${variable} is no variable of Parley's; npx parley --help says which there are\n`);
    }
  });
  return parley;
}
