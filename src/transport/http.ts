import type { HttpRequest, HttpResponse } from 'uWebSockets.js';
import type { Clock } from '../clock.ts';
import { Failure, type FailureCode } from '../failure.ts';
import { isName } from '../ids.ts';
import { badField } from './fields.ts';

const STATUS: Readonly<Record<FailureCode, string>> = {
  'bad-frame': '400 Bad Request',
  'bad-field': '400 Bad Request',
  'unknown-type': '400 Bad Request',
  'hello-first': '400 Bad Request',
  unauthorized: '401 Unauthorized',
  'token-expired': '401 Unauthorized',
  forbidden: '403 Forbidden',
  'not-member': '403 Forbidden',
  limit: '403 Forbidden',
  'not-found': '404 Not Found',
  conflict: '409 Conflict',
  'too-large': '413 Content Too Large',
  'rate-limited': '429 Too Many Requests',
  internal: '500 Internal Server Error',
  overloaded: '503 Service Unavailable',
  unavailable: '503 Service Unavailable',
  timeout: '504 Gateway Timeout',
};

/** Whoever has a token may use it from any page: it is in a header, so a browser sends it nowhere by itself. */
const ANY_ORIGIN = '*';

/** Answers what a browser asks before a page of another origin may call (the Fetch standard, CORS-preflight). */
export function allowAnyOrigin(response: HttpResponse, method: string): void {
  response.cork(() => {
    response
      .writeStatus('204 No Content')
      .writeHeader('Access-Control-Allow-Origin', ANY_ORIGIN)
      .writeHeader('Access-Control-Allow-Methods', method)
      .writeHeader('Access-Control-Allow-Headers', 'Authorization, Content-Type')
      .writeHeader('Access-Control-Max-Age', '86400')
      .endWithoutBody();
  });
}

/** One HTTP request and its answer. The answer is given once, and not at all where the client has gone. */
export class Exchange {
  private readonly response: HttpResponse;
  private state: 'open' | 'done' = 'open';
  private left: (() => void) | undefined;
  private allowed: string | undefined;
  private readonly bodiless: boolean;

  /** `method`: the answer to a HEAD has no body. */
  constructor(response: HttpResponse, method: 'head' | 'other' = 'other') {
    this.response = response;
    this.bodiless = method === 'head';
    response.onAborted(() => {
      this.state = 'done';
      this.left?.();
    });
  }

  /** What to do if the client goes before it is answered. */
  onLeft(left: () => void): void {
    this.left = left;
  }

  answer(json: string, status = '200 OK'): void {
    this.end(status, json, undefined);
  }

  fail(failure: Failure, names: { readonly id?: string; readonly clientId?: string } = {}, status = STATUS[failure.code]): void {
    const { code, message, retryAfterMs } = failure;
    this.end(status, JSON.stringify({ type: 'error', code, message, ...names, retryAfterMs }), retryAfterMs);
  }

  /** The method that would have been right; to be said before the answer. */
  allow(method: string): void {
    this.allowed = method;
  }

  /** Breaks the connection off: for requests that never end. */
  cut(): void {
    if (this.state === 'open') this.response.close();
  }

  /**
   * Calls `whole` with the request's body, or answers that it is too large, or breaks off after `timeoutMs`;
   * and before any of these `over`.
   */
  body(clock: Clock, bytesMax: number, timeoutMs: number, over: () => void, whole: (body: Buffer) => void): void {
    const chunks: Buffer[] = [];
    let bytes = 0;
    const timer = clock.after(timeoutMs, () => this.cut());
    let receiving = true;
    const stop = (): void => {
      if (receiving) over();
      receiving = false;
      timer.cancel();
    };
    this.onLeft(stop);
    this.response.onData((chunk, isLast) => {
      if (!receiving) return;
      bytes += chunk.byteLength;
      if (bytes <= bytesMax && !isLast) {
        // The chunk is only lent to us.
        chunks.push(Buffer.copyBytesFrom(new Uint8Array(chunk)));
        return;
      }
      stop();
      if (bytes > bytesMax) this.end(STATUS['too-large'], tooLarge(bytesMax), undefined, 'close');
      else whole(Buffer.concat([...chunks, new Uint8Array(chunk)], bytes));
    });
  }

  private end(status: string, json: string, retryAfterMs: number | undefined, then: 'close' | 'keep' = 'keep'): void {
    if (this.state === 'done') return;
    this.state = 'done';
    const { response } = this;
    response.cork(() => {
      response.writeStatus(status).writeHeader('Content-Type', 'application/json').writeHeader('Cache-Control', 'no-store');
      response.writeHeader('Access-Control-Allow-Origin', ANY_ORIGIN).writeHeader('Access-Control-Expose-Headers', 'Retry-After');
      if (this.allowed !== undefined) response.writeHeader('Allow', this.allowed);
      if (retryAfterMs !== undefined) response.writeHeader('Retry-After', String(Math.ceil(retryAfterMs / 1000)));
      const bytes = Buffer.from(json); // bytes: see Outbox
      if (this.bodiless) response.endWithoutBody(bytes.length, then === 'close');
      else response.end(bytes, then === 'close');
    });
  }
}

const tooLarge = (bytesMax: number): string =>
  JSON.stringify({ type: 'error', code: 'too-large', message: `the body has more than ${bytesMax} bytes (messageBytesMax)` });

export function tokenOf(request: HttpRequest): string {
  const header = request.getHeader('authorization');
  if (!/^bearer ./i.test(header)) throw new Failure('unauthorized', 'send the header Authorization: Bearer TOKEN');
  return header.slice(7).trim();
}

export function deviceIn<Id extends string>(request: HttpRequest): Id {
  const device = request.getQuery('device');
  if (device === undefined || !isName(device)) throw badField('device', 'in the query: 1 to 64 of A-Z a-z 0-9 . _ -');
  return device as Id;
}

export function integerIn(request: HttpRequest, name: string, most: number): number | undefined {
  const text = request.getQuery(name);
  if (text === undefined) return undefined;
  const value = /^\d{1,16}$/.test(text) ? Number(text) : Number.NaN;
  if (!(value <= most)) throw badField(name, `an integer from 0 to ${most}`);
  return value;
}

/** Whom limits per address count this request for: of an IPv6 address the network, which is one household's. */
export function addressOf(response: HttpResponse, request: HttpRequest, addressHeader: string): string {
  if (addressHeader !== '') {
    const named = request.getHeader(addressHeader.toLowerCase()).split(',')[0]?.trim();
    if (named !== undefined && named !== '') return named.slice(0, 64);
  }
  const address = Buffer.from(response.getRemoteAddressAsText()).toString('latin1');
  const isMapped = address.startsWith('0000:0000:0000:0000:0000:ffff');
  return address.includes(':') && !isMapped ? address.slice(0, 19) : address;
}
