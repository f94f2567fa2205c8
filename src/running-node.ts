import type { NodeNote } from './data-directory.ts';
import { Failure } from './failure.ts';
import { signOperatorToken } from './transport/tokens.ts';

const ANSWER_WITHIN_MS = 5_000;

/** What `GET /v1/status` says, as far as the CLI knows it. */
export interface NodeStatus {
  readonly node: string;
  readonly pid: number;
  readonly upMs: number;
  readonly lagMs: number;
  readonly actors: { readonly loaded: Readonly<Record<string, number>>; readonly waiting: number };
  readonly store: {
    readonly engine: string;
    readonly writesPending: number;
    readonly refusing?: string;
    readonly diskFreeBytes?: number;
  };
  readonly memory: { readonly rss: number; readonly heapUsed: number };
  readonly gateway: {
    readonly connections: number;
    readonly polls: number;
    readonly sentPerSecond: number;
    readonly sentP50Ms: number;
    readonly sentP99Ms: number;
    readonly errors: Readonly<Record<string, number>>;
  };
}

/** Whether there is a process of this id, whosever it is. */
export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}

/** How the node that left this note is doing. */
export async function askNode(note: NodeNote, secret: string, now: number): Promise<NodeStatus> {
  const headers = { authorization: `Bearer ${signOperatorToken(secret, now)}` };
  const signal = AbortSignal.timeout(ANSWER_WITHIN_MS);
  const answer = await fetch(`${note.url}/v1/status`, { headers, signal }).catch((error: unknown) => {
    throw new Failure('unavailable', `the node at ${note.url} (process ${note.pid}) doesn't answer`, { cause: error });
  });
  if (answer.ok) return (await answer.json()) as NodeStatus;
  await answer.body?.cancel();
  if (answer.status !== 401) throw new Failure('unavailable', `the node at ${note.url} answers with ${answer.status}`);
  throw new Failure('unauthorized', `the node at ${note.url} has another secret: PARLEY_SECRET must be the one it was started with`);
}

/**
 * Refuses to start where a node runs already. The store has its own lock, which also holds where nobody
 * answers; this one says who it is, and leaves every file alone.
 */
export async function refuseSecondNode(data: string, note: NodeNote | undefined, secret: string | undefined, now: number): Promise<void> {
  if (note === undefined || secret === undefined || !isAlive(note.pid)) return;
  const found = await askNode(note, secret, now).catch((error: unknown) => {
    if (error instanceof Failure) return undefined; // somebody else has its process id now, or its port
    throw error;
  });
  if (found?.pid !== note.pid) return;
  throw new Failure(
    'unavailable',
    `${data} is in use by the node at ${note.url} (process ${note.pid}); stop it, or give another with --data`,
  );
}
