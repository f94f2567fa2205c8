/** So many per second on average, and so many at once after a rest. */
export interface Rate {
  readonly perSecond: number;
  readonly burst: number;
}

/** The named token buckets: who may do what how often. `limits: off` lifts all of them. */
export interface RateSettings {
  readonly connectsPerAddress: Rate;
  readonly refusedTokensPerAddress: Rate;
  readonly framesPerConnection: Rate;
  readonly refusalsPerConnection: Rate;
  readonly sendsPerUser: Rate;
  readonly groupChangesPerUser: Rate;
  readonly readsPerUser: Rate;
  readonly typingPerUser: Rate;
  readonly settingsPerUser: Rate;
  readonly watchedPerUser: Rate;
}

export interface GatewaySettings {
  /** Where to listen. */
  readonly host: string;
  readonly port: number;
  /** The header in which a proxy in front names the client's address; empty: none is believed. */
  readonly addressHeader: string;

  // ── Sizes; `welcome` tells these to the client ──
  readonly frameBytesMax: number;
  readonly messageBytesMax: number;
  readonly framesPerMessageMax: number;
  readonly bodyBytesMax: number;
  readonly bodyDepthMax: number;
  readonly pageEntriesMax: number;
  readonly groupMembersMax: number;
  readonly titleCharsMax: number;
  readonly devicesMax: number;
  readonly watchMax: number;
  /** False lifts the rates and the counts per address; sizes stay. */
  readonly ratesOn: boolean;
  readonly rates: RateSettings;
  /** Users, addresses and the like whose buckets are remembered at once. */
  readonly bucketsMax: number;

  // ── Connections ──
  readonly readBytesMax: number;
  readonly connectionsMax: number;
  readonly connectionsPerAddressMax: number;
  readonly silentPerAddressMax: number;
  readonly helloTimeoutMs: number;
  readonly pingPeriodMs: number;
  readonly silenceMaxMs: number;
  readonly drainNoticeMs: number;
  readonly drainAnswersMs: number;

  // ── Requests ──
  readonly requestsPerConnectionMax: number;
  readonly requestsMax: number;
  /** While most sends take longer than this, fewer requests are let in. */
  readonly answerTargetMs: number;
  readonly requestTimeoutMs: number;
  readonly overloadedRetryMs: number;

  // ── The stream of events ──
  readonly ownEventHoldMs: number;
  readonly pullEventsMax: number;
  readonly outboxBytesMax: number;
  readonly outboxResumeBytes: number;
  readonly outboxAnswersBytesMax: number;
  readonly outboxesBytesMax: number;
  readonly slowMaxMs: number;

  // ── HTTP ──
  readonly pollWaitDefaultMs: number;
  readonly pollWaitMaxMs: number;
  readonly pollLingerMs: number;
  readonly pollEventsMax: number;
  readonly httpBodiesMax: number;
  readonly httpBodyTimeoutMs: number;
  readonly tokensCachedMax: number;
}

/** The defaults, each with the reason for it. */
export const defaultGatewaySettings: GatewaySettings = {
  host: '0.0.0.0',
  port: 8080,
  addressHeader: '', // whoever can reach the port could write any address into it

  frameBytesMax: 65_536, // four bodies of the largest size: room for any frame, too little to hurt
  messageBytesMax: 262_144, // an array of frames may be longer than one frame, but not by much
  framesPerMessageMax: 256, // a device that comes back resends about this many; decoding them takes a millisecond
  bodyBytesMax: 16_384, // a long text, or a reference to a file; files go elsewhere
  bodyDepthMax: 64, // deeper than anything people write, shallow enough for every recursive reader
  pageEntriesMax: 200, // with the largest bodies a page is 3 MB
  groupMembersMax: 1_000, // a message is stored in each member's inbox: 1,000 take 20 ms
  titleCharsMax: 200, // what a person reads as a title
  devicesMax: 16, // phones, tablets, computers and a few bots of one person
  watchMax: 1_000, // a large contact list
  ratesOn: true,
  rates: {
    connectsPerAddress: { perSecond: 200, burst: 2_000 }, // an office behind one address that comes back at once
    refusedTokensPerAddress: { perSecond: 5, burst: 100 }, // guessing, or a client that has gone wild
    framesPerConnection: { perSecond: 500, burst: 2_000 }, // far above any client's need; below what one core decodes in a hundredth
    refusalsPerConnection: { perSecond: 1_000, burst: 10_000 }, // as many as may wait, each refused once a second; who sends on faster, whatever it is told, is closed with 4003
    sendsPerUser: { perSecond: 100, burst: 1_000 }, // a bot; and a device that resends everything it wrote on a flight
    groupChangesPerUser: { perSecond: 10, burst: 100 }, // each of these may touch 1,000 members
    readsPerUser: { perSecond: 100, burst: 500 }, // history, lists, receipts: each may cost a read from disk
    typingPerUser: { perSecond: 10, burst: 50 }, // told to every member of a group
    settingsPerUser: { perSecond: 20, burst: 200 }, // mute, block, presence, watch
    watchedPerUser: { perSecond: 200, burst: 5_000 }, // names in watch and unwatch: each wakes an actor up
  },
  bucketsMax: 200_000, // 20 MB at most; the least recently used are forgotten, which only ever gives more

  readBytesMax: 16_777_216, // up to here a message too long is read and answered with close 1009; above, the socket is cut
  connectionsMax: 100_000, // 300 MB of sockets and sessions
  connectionsPerAddressMax: 20_000, // one address may be a carrier's gateway
  silentPerAddressMax: 2_000, // connections that haven't said hello yet: as many as connect at once
  helloTimeoutMs: 10_000, // a phone on a bad network needs seconds
  pingPeriodMs: 25_000, // below the 30 s after which some networks forget an idle connection
  silenceMaxMs: 60_000, // two pings unanswered
  drainNoticeMs: 1_000, // from goaway to where no more requests are taken; a client needs one round trip to leave
  drainAnswersMs: 5_000, // what is in flight is answered in milliseconds, but for a store that hangs

  requestsPerConnectionMax: 1_024, // unanswered requests of one connection
  requestsMax: 20_000, // of all: what a small node answers in half a second
  answerTargetMs: 100, // a person doesn't notice
  requestTimeoutMs: 10_000, // longer than the store and the members are waited for
  overloadedRetryMs: 1_000, // the load is gone, or it isn't: ask again in a second

  ownEventHoldMs: 20, // a `sent` that comes within this time stands in for the sender's own event
  pullEventsMax: 256, // about 50 KB of events at a time
  outboxBytesMax: 262_144, // unsent bytes above which a session stops pushing and later reads on from the log
  outboxResumeBytes: 32_768, // unsent bytes below which it reads on
  outboxAnswersBytesMax: 8_388_608, // answers can't be left out: above this, close 4001. Two of the largest pages
  outboxesBytesMax: 268_435_456, // unsent bytes of all sockets together; above, none may have more than outboxResumeBytes
  slowMaxMs: 60_000, // a socket that takes nothing for this long is closed with 4001

  pollWaitDefaultMs: 25_000, // below the 30 s that many proxies allow
  pollWaitMaxMs: 60_000, // as PROTOCOL.md says
  pollLingerMs: 10_000, // from one poll to the next a device still counts as connected
  pollEventsMax: 256, // events in one answer; the next poll brings the rest at once
  httpBodiesMax: 1_000, // request bodies being received: 256 MB at the very worst
  httpBodyTimeoutMs: 10_000, // a body that isn't whole by then is given up
  tokensCachedMax: 50_000, // verified tokens, so that polling costs no signature check each time
};
