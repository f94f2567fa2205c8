import type { TemplatedApp } from 'uWebSockets.js';
import { Failure } from '../failure.ts';
import { Exchange, tokenOf } from './http.ts';
import type { Verify } from './tokens.ts';

export interface HealthParts {
  readonly verify: Verify;
  /** Why this node can't serve. */
  readonly notReady: () => string | undefined;
  /** What an operator is told. */
  readonly status: () => object;
}

const PATHS: Readonly<Record<string, string>> = {
  '/v1/ws': 'GET',
  '/v1/poll': 'GET',
  '/v1/frames': 'POST',
  '/v1/status': 'GET',
  '/healthz': 'GET',
  '/readyz': 'GET',
};

/** What those who run a node ask it, and the answer to whatever nobody else answers. To be served last. */
export function serveHealth(app: TemplatedApp, { verify, notReady, status }: HealthParts): void {
  const alive = (exchange: Exchange): void => exchange.answer('{"status":"alive"}');
  const ready = (exchange: Exchange): void => {
    const reason = notReady();
    if (reason === undefined) exchange.answer('{"status":"ready"}');
    else exchange.answer(JSON.stringify({ status: 'not ready', reason }), '503 Service Unavailable');
  };
  for (const [path, answer] of [['/healthz', alive] as const, ['/readyz', ready] as const]) {
    app.get(path, (response) => answer(new Exchange(response)));
    app.head(path, (response) => answer(new Exchange(response, 'head')));
  }
  app.get('/v1/status', (response, request) => {
    const exchange = new Exchange(response);
    try {
      verify.operator(tokenOf(request));
      exchange.answer(JSON.stringify(status()));
    } catch (thrown) {
      exchange.fail(Failure.from(thrown));
    }
  });
  app.any('/*', (response, request) => {
    const method = PATHS[request.getUrl()];
    const exchange = new Exchange(response, request.getMethod() === 'head' ? 'head' : 'other');
    if (method === undefined) return exchange.fail(new Failure('not-found', 'there is nothing here; PROTOCOL.md lists what there is'));
    if (request.getUrl() === '/v1/ws') return exchange.fail(new Failure('bad-frame', 'this is for WebSockets'), {}, '426 Upgrade Required');
    exchange.allow(method);
    exchange.fail(new Failure('bad-frame', `the method here is ${method}`), {}, '405 Method Not Allowed');
  });
}
