// What the server tells by itself: one stream, closed while nobody looks.

/** Calls `next` with the data of each result from `address`. */
export function listen(address, next) {
  let stream = null, isOver = false;
  const stop = () => { stream?.close(); stream = null; };
  const start = () => {
    if (stream || isOver || document.hidden) return;
    stream = new EventSource(address);
    stream.addEventListener('next', event => { const told = JSON.parse(event.data).data; if (told) next(told); });
    stream.addEventListener('complete', () => { isOver = true; stop(); });
  };
  document.addEventListener('visibilitychange', () => document.hidden ? stop() : start());
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
