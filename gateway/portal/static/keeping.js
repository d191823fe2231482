// Rosters that this device keeps for the day without a network (roster_worker.js): of one account, and none after it signed out.
const NAME = 'preau-pointage';
export const forget = () => globalThis.caches?.delete(NAME).catch(() => false);

/** Nothing of another account's, and nothing of yesterday. */
export async function keepOnly(account) {
  const cache = await globalThis.caches?.has(NAME).catch(() => false) ? await caches.open(NAME) : null;
  for (const each of await cache?.keys() ?? []) {
    const [whose, , until] = (await cache.match(each, { ignoreVary: true }))?.headers.get('preau-garde')?.split(' ') ?? [];
    if (whose && (whose !== account || until * 1000 <= Date.now())) return forget();
  }
}
