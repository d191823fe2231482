// What the server tells by itself: one stream, closed while nobody looks or there is no network, opened again when it broke off.

/** Calls `next` with the data of each result from `address`. `ends`: it is over once the server says so. */
export function listen(address, next, { ends = true } = {}) {
  let stream = null, isOver = false, again = 0, delay = 2000;
  const stop = () => { clearTimeout(again); stream?.close(); stream = null; };
  const retry = () => { stop(); again = setTimeout(start, delay); delay = Math.min(delay * 2, 300000); };
  const start = () => {
    if (stream || isOver || document.hidden || !navigator.onLine) return;
    clearTimeout(again);
    stream = new EventSource(address);
    stream.addEventListener('next', event => { delay = 2000; const told = JSON.parse(event.data).data; if (told) next(told); });
    stream.addEventListener('complete', () => { isOver = ends; if (ends) stop(); else retry(); });
    stream.onerror = () => { if (stream?.readyState === EventSource.CLOSED) retry(); }; // Else it comes back by itself.
  };
  document.addEventListener('visibilitychange', () => document.hidden ? stop() : start());
  for (const [name, act] of [['online', start], ['pageshow', start], ['offline', stop], ['pagehide', stop]]) addEventListener(name, act);
  start();
}

/** The part of this page with that id as the server draws it now; null where it cannot be had. */
export async function drawnAnew(id) {
  try {
    const answer = await fetch(location.href, { headers: { accept: 'text/html' } });
    if (!answer.ok) return null;
    return new DOMParser().parseFromString(await answer.text(), 'text/html').getElementById(id);
  } catch { return null; }
}
