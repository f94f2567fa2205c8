import type { Route } from '../load/job.ts';

export const userName = (index: number): string => `user${String(index).padStart(7, '0')}`;
export const usersNamed = (count: number, from = 0): string[] => Array.from({ length: count }, (_, index) => userName(from + index));

/** Users two by two: the first of each pair sends, the second listens. */
export function pairs(count: number, from = 0): { readonly routes: readonly Route[]; readonly listeners: readonly string[] } {
  const routes: Route[] = [];
  const listeners: string[] = [];
  for (let pair = 0; pair < count; pair++) {
    const listener = userName(from + pair * 2 + 1);
    routes.push({ from: userName(from + pair * 2), conversation: `@${listener}` });
    listeners.push(listener);
  }
  return { routes, listeners };
}
