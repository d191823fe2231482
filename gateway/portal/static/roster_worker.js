// Answers for the pages of attendance alone. With a network they come from there, always; without one, from what was opened here today.
// What the server lets be kept says so itself (preau-garde): for which account, for which day, and until when.
const NAME = 'preau-pointage', HERE = '/bureau/pointage', AWAY = `${HERE}/hors-ligne`, PATIENCE = 10000;
const marks = answer => answer.headers.get('preau-garde')?.split(' ');
const keyOf = url => `${HERE}?activite=${encodeURIComponent(url.searchParams.get('activite') ?? '')}`;
const over = until => until * 1000 <= Date.now();

self.addEventListener('install', () => self.skipWaiting());
self.addEventListener('activate', event => event.waitUntil(tidy().then(() => self.clients.claim())));
self.addEventListener('fetch', event => {
  const url = new URL(event.request.url);
  if (event.request.method !== 'GET' || url.origin !== self.location.origin) return;
  if (url.pathname === HERE) event.respondWith(roster(event, url));
  else if (url.pathname === AWAY || url.pathname.startsWith('/portail/')) event.respondWith(file(event));
});

/** Without what is another account's, or of another day. */
async function tidy(account) {
  const cache = await caches.open(NAME);
  for (const each of await cache.keys()) {
    const old = marks(await cache.match(each, { ignoreVary: true }));
    if (old && ((account && old[0] !== account) || over(old[2]))) await cache.delete(each);
  }
  return cache;
}

async function keep(key, answer) {
  const cache = await tidy(marks(answer)[0]);
  await cache.put(key, answer);
}

async function kept(url) {
  const page = url.searchParams.has('chercher') ? null : await caches.match(keyOf(url), { cacheName: NAME, ignoreVary: true });
  if (!page) return null;
  const [, day, until] = marks(page), date = url.searchParams.get('date');
  if (over(until)) { await tidy(); return null; }
  return !date || date === day ? page : null;
}

const late = () => new Promise((_, fail) => setTimeout(fail, PATIENCE, new Error('late')));

async function roster(event, url) {
  const page = event.request.mode === 'navigate' ? await kept(url) : null;  // Whoever wants a newer copy is served with no old one.
  try {
    const asked = fetch(event.request), answer = await (page ? Promise.race([asked, late()]) : asked);
    if (page && answer.status >= 500) return told(page);
    // Nobody is signed in any more, or it is no agent.
    if (answer.type === 'opaqueredirect' || answer.status === 403) await caches.delete(NAME);
    else if (answer.ok && marks(answer)) {
      const done = keep(keyOf(url), answer.clone()).catch(() => {});  // A full disk is no reason not to show it.
      event.waitUntil(done);
      if (event.request.mode !== 'navigate') await done;  // Whoever asks for a copy wants to know that it is there.
    }
    return answer;
  } catch (trouble) {
    if (page) return told(page);
    if (event.request.mode !== 'navigate') return new Response(null, { status: 204 });  // No newer copy.
    const away = await caches.match(AWAY, { cacheName: NAME, ignoreVary: true });
    if (away) return away;
    throw trouble;
  }
}

/** As it was, and it says so. */
async function told(page) {
  const headers = new Headers(page.headers);
  headers.delete('content-encoding'); headers.delete('content-length');
  return new Response((await page.text()).replace('<html ', '<html data-kept '), { headers });
}

async function file(event) {
  const known = await caches.match(event.request, { cacheName: NAME, ignoreVary: true });
  if (known && !event.request.url.endsWith(AWAY)) return known;
  try {
    const answer = await fetch(event.request);
    if (answer.ok) (await caches.open(NAME)).put(event.request, answer.clone());
    return answer;
  } catch (trouble) {
    if (known) return known;
    throw trouble;
  }
}
