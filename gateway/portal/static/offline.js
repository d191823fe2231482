// Today's rosters that were opened here can be opened again without a network. Only where browsers allow it: over TLS, or on one's own machine.
const WORKER = '/bureau/hors-ligne.js', HERE = '/bureau/pointage';
const worker = () => navigator.serviceWorker?.controller;

/** What the page shows now, kept anew, with all that it loads. False: it could not be had, or it is what became of a form, which has no address. */
export async function refresh() {
  if (!worker() || location.pathname !== HERE || document.documentElement.dataset.day === undefined) return false;
  try {
    const answer = await fetch(location.href, { redirect: 'manual', headers: { accept: 'text/html', 'preau-anew': '1' } });
    return answer.status === 200;
  } catch { return false; }
}

async function load() {
  const files = performance.getEntriesByType('resource').map(each => new URL(each.name)).filter(each => each.pathname.startsWith('/portail/'));
  await Promise.allSettled([`${HERE}/hors-ligne`, ...files.map(each => each.pathname)].map(each => fetch(each)));
  await refresh();
}

if (navigator.serviceWorker) {
  navigator.serviceWorker.addEventListener('controllerchange', load);
  navigator.serviceWorker.register(WORKER, { scope: HERE }).catch(() => {});
  if (worker() && document.documentElement.dataset.kept === undefined) load();
}
