import type { Disk, DiskBatch } from './disk.ts';
import { epochOf, logKey, tableKey, tableKeyText, tableValue } from './keys.ts';
import type { Write } from './store.ts';

/** Puts a write into a batch; a prune isn't written but carried out (see leveldb.ts). */
export function put(batch: DiskBatch, write: Write): void {
  switch (write.kind) {
    case 'append':
      return batch.put(logKey(write.log, write.of, write.first, write.last, write.epoch), write.payload);
    case 'put': {
      const value = tableValue(write.epoch, write.payload);
      return batch.put(tableKey(write.table, write.of, write.key), value);
    }
    case 'delete':
      return batch.del(tableKey(write.table, write.of, write.key));
    case 'prune':
      return;
  }
}

/**
 * A table's row is stored without its epoch in the key, so that a row by key is one lookup and older epochs
 * leave nothing behind. So where an epoch other than the highest puts a row, which doesn't happen while one
 * node owns all, the stored row decides. To be called when all that was written before is on disk.
 */
export async function putContested(batch: DiskBatch, writes: readonly Write[], disk: Disk): Promise<void> {
  const keys = writes.filter((write) => write.kind === 'put').map(({ table, of, key }) => tableKeyText(table, of, key));
  const epochs = new Map<string, number>();
  (await disk.getMany(keys)).forEach((value, i) => {
    if (value !== undefined) epochs.set(keys[i] as string, epochOf(value));
  });
  for (const write of writes) {
    if (write.kind === 'put' || write.kind === 'delete') {
      const key = tableKeyText(write.table, write.of, write.key);
      if (write.kind === 'delete') epochs.delete(key);
      else if (write.epoch < (epochs.get(key) ?? 0)) continue;
      else epochs.set(key, write.epoch);
    }
    put(batch, write);
  }
}
