import type { MessengerLimits } from './actors/messages.ts';
import { defaultRegionSettings, type RegionSettings } from './cluster/region.ts';
import type { RestSettings } from './heap-at-rest.ts';
import { defaultLevelSettings, type LevelSettings } from './storage/level-settings.ts';
import { defaultGatewaySettings, type GatewaySettings, type RateSettings } from './transport/settings.ts';

/** Limits that both the gateway and the actors keep; they stand in `limits` alone. */
type Shared = 'devicesMax' | 'watchMax' | 'groupMembersMax';

/** The configuration: cluster.config.ts shows each setting with its unit, its default and the reason for it. */
export interface Config {
  readonly node: string;
  readonly listen: Pick<GatewaySettings, 'host' | 'port' | 'addressHeader'>;
  readonly data: string;
  readonly store: 'leveldb' | 'memory';
  readonly tokens: TokenSettings;
  readonly limits: Omit<GatewaySettings, 'host' | 'port' | 'addressHeader' | 'rates' | 'ratesOn'>;
  readonly rates: RateSettings & { readonly on: boolean };
  readonly messenger: Omit<MessengerLimits, Shared>;
  readonly runtime: RegionSettings & NodeSettings;
  readonly storage: LevelSettings;
  readonly log: { readonly level: 'debug' | 'info' | 'warn' | 'error'; readonly format: 'auto' | 'text' | 'json' };
}

interface TokenSettings {
  /** For how long a token of `parley token` is good. */
  readonly ttlMs: number;
  readonly clockSkewMs: number;
  /** A public key (PEM) or a JWKS file whose tokens are good here too; '' for none. */
  readonly publicKeyFile: string;
  readonly jwksFile: string;
}

/** What the node as a whole keeps to: from when on it refuses new work, how it keeps house, how long it takes to stop. */
interface NodeSettings extends RestSettings {
  readonly waitingMax: number;
  readonly lagMaxMs: number;
  readonly stopWithinMs: number;
  readonly retentionPauseMs: number;
  readonly retentionUsersPerSecond: number;
}

type Partially<Value> = { readonly [Key in keyof Value]?: Value[Key] extends object ? Partially<Value[Key]> : Value[Key] };

/** What a configuration file says: whatever it leaves out stays as it is by default. */
export type ConfigFile = Partially<Config>;

const { host, port, addressHeader, rates, ratesOn, ...limits } = defaultGatewaySettings;

export const defaults: Config = {
  node: 'node-1',
  listen: { host, port, addressHeader },
  data: 'data',
  store: 'leveldb',
  tokens: { ttlMs: 2_592_000_000, clockSkewMs: 0, publicKeyFile: '', jwksFile: '' },
  limits,
  rates: { on: ratesOn, ...rates },
  messenger: {
    cacheEntriesMax: 15,
    watchersMax: 10_000,
    blocksMax: 1_000,
    unsettledPerUserMax: 1_024,
    offlineGraceMs: 5_000,
    receiptCoalesceMs: 50,
    receiptMembersMax: 100,
    redeliverMs: 1_000,
    lagAfterMs: 5_000,
    pendingKeptMs: 30_000,
    askAgainMs: 1_000,
    resubscribeMs: 60_000,
    watchSilencesMax: 3,
    hostedUnusedMax: 12,
    redeliverEntriesMax: 128,
    expireEveryMs: 3_600_000,
    inboxKeepMs: 2_592_000_000,
  },
  runtime: {
    ...defaultRegionSettings,
    waitingMax: 50_000,
    lagMaxMs: 250,
    stopWithinMs: 8_000,
    retentionPauseMs: 3_600_000,
    retentionUsersPerSecond: 20,
    restLookMs: 5_000,
    restCpuPercent: 10,
    restGrownBytes: 8_388_608,
    restHeapBytesMax: 134_217_728,
  },
  storage: defaultLevelSettings,
  log: { level: 'info', format: 'auto' },
};

/** Gives a configuration file its types, so that an editor completes and checks it. */
export const defineConfig = (config: ConfigFile): ConfigFile => config;

export const gatewaySettings = (config: Config): GatewaySettings => {
  const { on, ...table } = config.rates;
  return { ...config.listen, ...config.limits, ratesOn: on, rates: table };
};

export const messengerLimits = (config: Config): MessengerLimits => {
  const { devicesMax, watchMax, groupMembersMax } = config.limits;
  return { ...config.messenger, devicesMax, watchMax, groupMembersMax };
};
