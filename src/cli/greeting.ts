import { relative } from 'node:path';
import type { Config } from '../config.ts';

/** The command that prints a token of the node on this data. */
export function tokenCommand(user: string, config: Config): string {
  const data = relative('.', config.data);
  if (data === 'data') return `npx parley token ${user}`;
  return `npx parley token ${user} --data ${data.startsWith('..') ? config.data : data}`;
}

/** What a person needs who has just started a node. */
export function greeting(config: Config, node: { readonly url: string; readonly wsUrl: string }): string {
  return `
Parley listens on ${node.url} and keeps everything in ${config.data}

Two people to try it with, each in a terminal of their own:

  ${tokenCommand('alice', config)}
  ${tokenCommand('bob', config)}

print a token each. Connect with any WebSocket client, for example

  npx --yes wscat -c ${node.wsUrl}

and paste within ten seconds, with the token in its place, as alice

  {"type":"hello","device":"laptop","token":"TOKEN"}
  {"type":"send","conversation":"@bob","clientId":"1","body":{"text":"Hello Bob"}}

and as bob

  {"type":"hello","device":"phone","cursor":0,"token":"TOKEN"}

PROTOCOL.md says what else can be said. Ctrl-C stops the node.

`;
}
