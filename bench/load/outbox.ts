import { stamp, type Template } from './template.ts';
import type { WebSocketClient } from './websocket.ts';

/** Collects what one socket has to send and writes it in one go. */
export class Outbox {
  socket: WebSocketClient | undefined;
  readonly #templates: Template[] = [];
  readonly #numbers: number[] = [];
  #bytes = 0;

  push(template: Template, number: number): void {
    this.#templates.push(template);
    this.#numbers.push(number);
    this.#bytes += template.bytes.length;
  }

  flush(): void {
    if (this.#bytes === 0 || this.socket === undefined) return;
    const out = Buffer.allocUnsafe(this.#bytes);
    let offset = 0;
    for (let i = 0; i < this.#templates.length; i++) {
      offset = stamp(this.#templates[i] as Template, this.#numbers[i] as number, out, offset);
    }
    this.#templates.length = 0;
    this.#numbers.length = 0;
    this.#bytes = 0;
    this.socket.write(out);
  }
}
