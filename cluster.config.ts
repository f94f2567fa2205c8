import { defineConfig } from './src/config.ts';

/**
 * All that can be set, with its default, its unit (last in the name) and the reason for it. Change what
 * you need; what you delete stays at its default. `parley config` prints what is in force and why.
 * Flags and variables go before this file: --port and PARLEY_PORT, --host, --data, --limits.
 */
export default defineConfig({
  node: 'node-1', // this node's name in `welcome` and in the logs
  data: 'data', // where everything is kept, from the folder that the node is started in
  store: 'leveldb', // 'memory' forgets everything when the node stops: for trying things out

  listen: {
    host: '0.0.0.0', // every address of this machine; '127.0.0.1' for this machine alone
    port: 8080, // 0: any that is free
    addressHeader: '', // behind a proxy: the header with the client's address. Without one whoever connects could write any address into it
  },

  tokens: {
    ttlMs: 2_592_000_000, // 30 days: how long a token of `parley token` is good, if --ttl doesn't say
    clockSkewMs: 0, // how far the clock of whoever issues tokens may be off
    publicKeyFile: '', // PEM: users' tokens are then signed with its private key (RS256, ES256, EdDSA), no longer with the node's secret
    jwksFile: '', // the same, with several keys
  },

  // Sizes and counts. `welcome` tells clients those that bind them.
  limits: {
    frameBytesMax: 65_536, // four bodies of the largest size: room for any frame, too little to hurt
    messageBytesMax: 262_144, // an array of frames may be longer than one frame, but not by much
    framesPerMessageMax: 256, // a device that comes back resends about this many; decoding them takes a millisecond
    bodyBytesMax: 16_384, // a long text, or a reference to a file; files go elsewhere
    bodyDepthMax: 64, // deeper than anything people write, shallow enough for every recursive reader
    pageEntriesMax: 200, // with the largest bodies a page is 3 MB
    groupMembersMax: 1_000, // a message is stored in each member's inbox: 1,000 take 20 ms
    titleCharsMax: 200, // what a person reads as a title
    devicesMax: 16, // of one user: phones, tablets, computers and a few bots
    watchMax: 1_000, // users that one device watches: a large contact list
    bucketsMax: 200_000, // token buckets kept, 20 MB at most; the least recently used are forgotten, which only ever gives more

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
    answerTargetMs: 100, // a person doesn't notice; while most sends take longer (and the disk could do better), fewer requests are let in and the rest get `overloaded`
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
  },

  // Who may do what how often: so many per second on average, and so many at once after a rest.
  rates: {
    on: true, // --limits off lifts them, for benches and tests
    connectsPerAddress: { perSecond: 200, burst: 2_000 }, // an office behind one address that comes back at once
    refusedTokensPerAddress: { perSecond: 5, burst: 100 }, // guessing, or a client that has gone wild
    framesPerConnection: { perSecond: 500, burst: 2_000 }, // far above any client's need; below what one core decodes in a hundredth
    refusalsPerConnection: { perSecond: 1_000, burst: 10_000 }, // as many as may wait, each refused once a second; who sends on faster, whatever it is told, is closed with 4003
    sendsPerUser: { perSecond: 100, burst: 1_000 }, // a bot; and a device that resends everything it wrote on a flight
    groupChangesPerUser: { perSecond: 10, burst: 100 }, // each of these may touch 1,000 members
    readsPerUser: { perSecond: 100, burst: 500 }, // history, lists, receipts: each may cost a read from disk
    typingPerUser: { perSecond: 10, burst: 50 }, // told to every member of a group
    settingsPerUser: { perSecond: 20, burst: 200 }, // mute, block, presence, watch
    watchedPerUser: { perSecond: 200, burst: 5_000 }, // names in watch and unwatch, on all devices together: each wakes an actor up
  },

  // What users and groups keep to.
  messenger: {
    cacheEntriesMax: 15, // newest entries of a conversation kept in memory: what a phone's screen shows
    watchersMax: 10_000, // who watches one user: each change of presence is told to all of them
    blocksMax: 1_000, // users that one user blocks; looked at with each direct message
    unsettledPerUserMax: 1_024, // sends of one user that some member hasn't stored yet
    offlineGraceMs: 5_000, // a train in a tunnel isn't announced as offline
    receiptCoalesceMs: 50, // watermarks are told this much later and together; ten times that in a group of 100
    receiptMembersMax: 100, // in larger groups watermarks are given when asked for: all to all is too much
    redeliverMs: 1_000, // a member that hasn't confirmed is told again
    lagAfterMs: 5_000, // then it is recorded as lagging, and holds up no acknowledgement
    pendingKeptMs: 30_000, // a send without an answer is forgotten after this; its sender's connection gave up on it before
    askAgainMs: 1_000, // a resend after this long asks the conversation's host again: the first request may have been lost
    resubscribeMs: 60_000, // who watches says so again this often, since an actor that was lost forgets it
    watchSilencesMax: 3, // who doesn't so many times in a row is forgotten
    hostedUnusedMax: 12, // times that an actor was tidied (runtime.tidyEveryMs) before a conversation that it hosts and didn't need is unloaded
    redeliverEntriesMax: 128, // entries that a lagging member is told at a time
    expireEveryMs: 3_600_000, // how often an inbox is looked at for what is older than the next says
    inboxKeepMs: 2_592_000_000, // 30 days: a device that was away for longer starts from the conversation list
  },

  // How actors run.
  runtime: {
    turnCommandsMax: 64, // commands of one actor that share a write; more would let others wait
    turnMs: 2, // … or this long, whichever comes first
    mailboxClientMax: 2_048, // waiting commands of clients to one actor; above, `overloaded`
    mailboxMax: 16_384, // of any origin: room for what other actors tell it meanwhile
    crashWindowMs: 60_000, // a crash within this time of the last counts as one more in a row
    quarantineFirstMs: 250, // the pause after the third of them, and after a first failed attempt to read an actor's state; each further one doubles it
    quarantineMaxMs: 60_000, // and no longer than this
    restorePauseMaxMs: 2_000, // between attempts to read for an actor: when the store is back, so is everybody, soon
    deriveEveryMs: 3_000, // what a crash may cost of watermarks and last seen, where few actors have any to write
    derivesPerSecond: 1_000, // actors that write them in a second, a tenth of a core; where more have, each waits longer and writes for more changes at once
    deriveEveryMaxMs: 10_000, // … but no longer than this
    passivateAfterMs: 120_000, // an actor that had nothing to do for this long is unloaded
    activationBytesMax: 1_073_741_824, // memory of all actors, and at most half of the heap; above, the idle ones go first
    tidyEveryMs: 10_000, // after so long, and up to ten seconds more where there are very many, an actor’s memory is estimated, and what it didn’t need lately is dropped; the latter after six times as long while it is busy all the time
    readsAtOnceMax: 256, // reads of the store under way: enough to keep its threads busy
    readsWaitingMax: 16_384, // a login takes a few; above, `overloaded`
    alarmTickMs: 20, // how exact the times above are kept
    waitingMax: 50_000, // commands waiting in all mailboxes, 300 ms of work; above, new work is refused with `overloaded`
    lagMaxMs: 250, // the same, where the process itself comes this late to what it has to do
    retentionPauseMs: 3_600_000, // between two walks over all users, which look for events that are too old
    retentionUsersPerSecond: 20, // looked at for events that are too old: a million users in a day, at 2 ms of work a second
    restLookMs: 5_000, // how often it is looked at whether the node is at rest, and could give memory back
    restCpuPercent: 10, // of one core: less than this is rest; 15,000 silent connections take 2
    restGrownBytes: 8_388_608, // so many bytes of old objects must have come since they were last looked through, and half of what there was
    restHeapBytesMax: 134_217_728, // above, they aren't: the pause is about a millisecond for each megabyte
    stopWithinMs: 8_000, // from SIGTERM to exit, however slow the store; below the 10 s that most supervisors give
  },

  // How LevelDB is written and read.
  storage: {
    batchBytesMax: 1_048_576, // 5,000 rows or 15 ms of writing: more would only make those who wait, wait longer
    pendingBytesMax: 67_108_864, // two seconds at the fastest that was measured: beyond that callers have given up
    pendingCallsMax: 200_000, // the same, counted in calls
    queueDeadlineMs: 2_000, // what wasn't begun by then is refused with `unavailable`
    stallMs: 2_000, // while one write takes longer than this, nothing new is taken: a healthy disk answers within 0.2 s, a crowded one within 1
    readsUnderWayMax: 16, // fewer leave the threads idle between reads; these are done in half a millisecond, which a write may wait
    readsWaitingMax: 10_000, // above, `overloaded`
    freeBytesMin: 536_870_912, // with less space than this free, writes are refused: LevelDB needs room for two compactions
    freeCheckMs: 2_000, // how often the free space is looked at
    reopenMs: 1_000, // between attempts to open the files again after a failed write
    tickMs: 100, // how often deadlines are looked at
    pruneRowsMax: 256, // old rows removed at a time, under a millisecond of writing; other writes go between
  },

  log: {
    level: 'info', // 'debug', 'warn', 'error'
    format: 'auto', // 'text' for eyes on a terminal, 'json' elsewhere: one line per event
  },
});
