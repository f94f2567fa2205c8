import type { Store } from '../../src/storage/store.ts';
export async function openBenchStore(_directory: string): Promise<Store> {
  throw new Error('no engine yet');
}
