import { relative } from 'node:path';
import type { Config } from '../config.ts';

/** The command that prints a token of the node on this data. */
export function tokenCommand(user: string, config: Config): string {
  const data = relative('.', config.data);
  const secret = process.env['PARLEY_SECRET'] ? 'PARLEY_SECRET=… ' : '';
  if (data === 'data') return `${secret}npx parley token ${user}`;
  return `${secret}npx parley token ${user} --data ${data.startsWith('..') ? config.data : data}`;
}

const keeps = ({ store, data }: Config): string =>
  store === 'memory' ? 'keeps nothing: it forgets everything when it stops' : `keeps everything in ${data}`;

export const farewell = ({ store, data }: Config): string =>
  store === 'memory' ? 'The memory store has forgotten everything.' : `Everything is in ${data}.`;

const everywhere = ({ listen: { host } }: Config): string =>
  host === '0.0.0.0' || host === '::' ? '\n(on all addresses of this machine; with --host 127.0.0.1 on this machine alone)' : '';

/** How to come by tokens: the node's own, or those of whoever signs them. */
function tokens(config: Config): string {
  const { publicKeyFile, jwksFile } = config.tokens;
  if (publicKeyFile !== '' || jwksFile !== '') {
    return `Users' tokens are signed by whoever has the private key to ${publicKeyFile || jwksFile}: get one for alice and one for bob there.`;
  }
  return `Two people to try it with, each in a terminal of their own:

  ${tokenCommand('alice', config)}
  ${tokenCommand('bob', config)}

print a token each.`;
}

/** What a person needs who has just started a node. */
export function greeting(config: Config, node: { readonly url: string; readonly wsUrl: string }): string {
  return `
Parley listens on ${node.url} and ${keeps(config)}${everywhere(config)}

${tokens(config)} Connect with any WebSocket client, for example

  npx --yes wscat -c ${node.wsUrl}

and paste within ten seconds, with the token in its place, as alice

  {"type":"hello","device":"laptop","token":"TOKEN"}
  {"type":"send","conversation":"@bob","clientId":"1","body":{"text":"Hello Bob"}}

and as bob

  {"type":"hello","device":"phone","cursor":0,"token":"TOKEN"}

PROTOCOL.md says what else can be said. Ctrl-C stops the node.

`;
}
