import type { Job, Route } from './job.ts';
import { Latencies } from './latencies.ts';
import type { Meter } from './meter.ts';
import type { Template } from './template.ts';
import { UnderWay } from './under-way.ts';
import { arrivedAt, type Target } from './websocket.ts';
import type { User, Wire } from './wire.ts';

/** How long what is under way may take when the load has ended. */
const DRAIN_MS = 10_000;
const CONNECT_AT_ONCE = 50;
/** What was refused comes again under a new number, a hundred thousand times a second. */
const OVERLOAD_SPAN = 1 << 22;

export interface Load {
  readonly wire: Wire;
  readonly target: Target;
  readonly meter: Meter;
  readonly run: string;
  /** Ends the job: what was measured isn't worth telling. */
  fail(reason: string): void;
}

export const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

/** Runs `action` for every item, `atOnce` at a time. */
export async function eachOf<Item>(
  items: readonly Item[],
  atOnce: number,
  action: (item: Item, index: number) => Promise<void>,
): Promise<void> {
  let next = 0;
  const worker = async (): Promise<void> => {
    while (next < items.length) {
      const index = next++;
      await action(items[index] as Item, index);
    }
  };
  await Promise.all(Array.from({ length: Math.min(atOnce, items.length) }, worker));
}

/** The connected users of a load that sends, and what it has learned so far. */
export class Sending {
  readonly underWay: UnderWay;
  readonly sent = new Latencies();
  readonly event = new Latencies();
  readonly last = new Latencies();
  answers = 0;
  refusals = 0;
  events = 0;
  /** Called for each message that its sender was answered for, and for each that has reached everyone. */
  onSent: (route: number) => void = () => {};
  onAnswered: ((route: number, tookMs: number) => void) | undefined;
  onEveryone: (route: number) => void = () => {};
  /** Called for each message that is refused; undefined: that is a failure of the load. */
  onRefused: ((route: number) => void) | undefined;
  readonly #load: Load;
  readonly #receivers: number;
  readonly #users: User[] = [];
  readonly #byName = new Map<string, User>();
  readonly #senders: User[] = [];
  readonly #templates: Template[] = [];

  private constructor(load: Load, receivers: number, span: number | undefined) {
    this.underWay = new UnderWay(span);
    this.#load = load;
    this.#receivers = receivers;
  }

  static async connect(
    load: Load,
    job: Extract<Job, { readonly kind: 'closed-loop' | 'open-loop' | 'fill' | 'overload' }>,
  ): Promise<Sending> {
    const sending = new Sending(load, job.receivers, job.kind === 'overload' ? OVERLOAD_SPAN : undefined);
    const names = [...new Set([...job.routes.map((route) => route.from), ...job.listeners])];
    const indexes = new Map(names.map((name, index) => [name, index]));
    const userOfRoute = job.routes.map((route) => indexes.get(route.from) as number);
    await eachOf(names, CONNECT_AT_ONCE, async (name, index) => {
      sending.#byName.set(name, await sending.#user(name, index, userOfRoute));
    });
    sending.#users.push(...sending.#byName.values());
    for (const route of job.routes) sending.#addRoute(route);
    if (job.group !== undefined) await load.wire.group(job.group.conversation, job.group.members, load.run, sending.#byName);
    return sending;
  }

  #user(name: string, index: number, userOfRoute: readonly number[]): Promise<User> {
    const { underWay, sent, event, last } = this;
    const { meter } = this.#load;
    return this.#load.wire.connect(this.#load.target, name, {
      sent: (number) => {
        const route = underWay.route(number);
        this.answers++;
        if (meter.open) {
          meter.count++;
          sent.record(arrivedAt - underWay.began(number));
        }
        this.onAnswered?.(route, arrivedAt - underWay.began(number));
        underWay.answered(number);
        this.onSent(route);
        if (underWay.isDone(number)) this.onEveryone(route);
      },
      event: (number) => {
        const route = underWay.route(number);
        if (userOfRoute[route] === index && this.#load.wire.echoes !== true) return;
        this.events++;
        if (meter.open) event.record(arrivedAt - underWay.began(number));
        if (underWay.reached(number) === 0) {
          if (meter.open) last.record(arrivedAt - underWay.began(number));
          if (underWay.isDone(number)) this.onEveryone(route);
        }
      },
      refused: (number) => {
        if (this.onRefused === undefined) return this.#load.fail(`message ${number} was refused`);
        this.refusals++;
        underWay.refused(number);
        this.onRefused(underWay.route(number));
      },
      failed: (reason) => this.#load.fail(reason),
    });
  }

  #addRoute(route: Route): void {
    this.#senders.push(this.#byName.get(route.from) as User);
    this.#templates.push(this.#load.wire.template(route.conversation, this.#load.run));
  }

  /** `at`: since when its time counts. */
  send(route: number, at: number): void {
    (this.#senders[route] as User).send(this.#templates[route] as Template, this.underWay.begin(at, route, this.#receivers));
  }

  flush(route: number): void {
    (this.#senders[route] as User).flush();
  }

  /** Waits until everything sent has reached everyone; what hasn't by then is lost, and an error. */
  async drain(): Promise<void> {
    const until = performance.now() + DRAIN_MS;
    const missing = (): number => (this.underWay.count - this.refusals) * (1 + this.#receivers) - this.answers - this.events;
    while (missing() > 0 && performance.now() < until) await pause(5);
    if (missing() !== 0) {
      this.#load.fail(`of ${this.underWay.count} messages ${this.answers} were answered and ${this.events} events arrived`);
    }
    for (const user of this.#users) user.close();
  }
}
