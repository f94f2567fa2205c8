import type { Test } from 'tap';
import { systemClock } from '../../src/clock.ts';
import type { Failure } from '../../src/failure.ts';
import { silentLog } from '../../src/log.ts';
import { type Gateway, openGateway } from '../../src/transport/gateway.ts';
import { defaultGatewaySettings, type GatewaySettings } from '../../src/transport/settings.ts';
import { openVerify } from '../../src/transport/tokens.ts';
import { FakeUsers } from './fake-users.ts';
import { testSecret, testToken } from './token.ts';

export interface TestGateway {
  readonly gateway: Gateway;
  readonly users: FakeUsers;
  readonly url: string;
  readonly wsUrl: string;
  token(user: string, ttlSeconds?: number): string;
  /** What the next message is refused with. */
  shedding: Failure | undefined;
  /** Why it isn't ready. */
  notReady: string | undefined;
}

/** A gateway in front of fake users, on a free port; gone when the test ends. */
export async function startGateway(t: Test, overrides: Partial<GatewaySettings> = {}): Promise<TestGateway> {
  const users = new FakeUsers();
  const settings = { ...defaultGatewaySettings, host: '127.0.0.1', port: 0, ratesOn: false, drainNoticeMs: 20, ...overrides };
  const verify = await openVerify({
    settings: { clockSkewMs: 0, publicKeyFile: '', jwksFile: '' },
    secret: testSecret,
    clock: systemClock,
  });
  const gateway = await openGateway({
    settings,
    clock: systemClock,
    log: silentLog,
    node: 'node-1',
    tellUser: users.tell,
    verify,
    shed: () => started.shedding,
    notReady: () => started.notReady,
    status: () => ({ node: 'node-1' }),
  });
  users.sessions = gateway.sessions;
  t.teardown(() => gateway.close());
  const started: TestGateway = {
    gateway,
    users,
    url: `http://127.0.0.1:${gateway.port}`,
    wsUrl: `ws://127.0.0.1:${gateway.port}/v1/ws`,
    token: testToken,
    shedding: undefined,
    notReady: undefined,
  };
  return started;
}
