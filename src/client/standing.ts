import type { ClientFrame, DeviceState } from './frames.ts';

/** What belongs to a connection (PROTOCOL 6.4) and is said again on each new one. */
export interface Standing {
  watch(users: readonly string[]): void;
  unwatch(users: readonly string[]): void;
  presence(state: DeviceState): void;
  opened(): void;
}

export function createStanding(write: (frame: ClientFrame) => void): Standing {
  const watched = new Set<string>();
  let state: DeviceState = 'online';
  return {
    watch(users) {
      for (const user of users) watched.add(user);
    },
    unwatch(users) {
      for (const user of users) watched.delete(user);
    },
    presence(next) {
      state = next;
    },
    opened() {
      if (state !== 'online') write({ type: 'presence', id: 'standing-presence', state });
      if (watched.size > 0) write({ type: 'watch', id: 'standing-watch', users: [...watched] });
    },
  };
}
