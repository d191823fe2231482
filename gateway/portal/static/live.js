// What the server tells by itself: one stream, closed while nobody looks or there is no network, opened again when it broke off.

/** Calls `next` with the data of each result from `address`. `ends`: it is over once the server says so. -> what ends it. */
export function listen(address, next, { ends = true } = {}) {
  let stream = null, isOver = false, again = 0, delay = 2000;
  const stop = () => { clearTimeout(again); stream?.close(); stream = null; };
  const retry = () => { stop(); again = setTimeout(start, delay); delay = Math.min(delay * 2, 300000); };
  const start = () => {
    if (stream || isOver || document.hidden || !navigator.onLine) return;
    clearTimeout(again);
    stream = new EventSource(address);
    stream.addEventListener('next', event => { const told = JSON.parse(event.data).data; if (told) { delay = 2000; next(told); } }); // Else it was refused.
    stream.addEventListener('complete', () => { isOver = ends; if (ends) stop(); else retry(); });
    stream.onerror = () => { if (stream?.readyState === EventSource.CLOSED) retry(); }; // Else it comes back by itself.
  };
  document.addEventListener('visibilitychange', () => document.hidden ? stop() : start());
  for (const [name, act] of [['online', start], ['pageshow', start], ['offline', stop], ['pagehide', stop]]) addEventListener(name, act);
  start();
  return () => { isOver = true; stop(); };
}

const place = page => page.querySelector('.brand')?.textContent;

/** This page as the server draws it now, which knows that nobody reads all of it (visit.py); null where it cannot be had, or another tab turned to another structure. */
export async function anew(address = location.href) {
  try {
    const answer = await fetch(address, { headers: { accept: 'text/html', 'preau-anew': '1' } });
    if (!answer.ok || answer.redirected) return null;
    const text = (await answer.text()).replace(/<style>[^]*?<\/style>/, ''); // Another page's sheet is none that this one's policy lets in.
    const page = new DOMParser().parseFromString(text, 'text/html');
    return place(page) === place(document) ? page : null;
  } catch { return null; }
}

/** Its part with that id. What is shown is as new as that from then on, and says so (S6). */
export async function drawnAnew(id) {
  const there = await anew();
  if (there) lay(there, '#asof');
  return there?.getElementById(id) ?? null;
}

const closed = html => html.replaceAll(' open=""', ''); // Whatever somebody opened.

/** Lays a page drawn anew over what is shown, part by part: only what differs is changed, and focus stays where it is. */
export function lay(page, selector) {
  const shown = [...document.querySelectorAll(selector)], drawn = [...page.querySelectorAll(selector)], focus = document.activeElement?.id;
  if (shown.length !== drawn.length) return;
  shown.forEach((old, index) => {
    const now = drawn[index];
    if (closed(old.outerHTML) === closed(now.outerHTML)) return;
    for (const { name } of [...old.attributes]) if (!now.hasAttribute(name)) old.removeAttribute(name);
    for (const { name, value } of now.attributes) old.setAttribute(name, value);
    if (old.innerHTML !== now.innerHTML) old.innerHTML = now.innerHTML;
  });
  if (focus && document.activeElement?.id !== focus) document.getElementById(focus)?.focus();
}

/** Shows `bar` while there is no network. */
export function network(bar) {
  const look = () => { bar.hidden = navigator.onLine; };
  addEventListener('online', look);
  addEventListener('offline', look);
  look();
}
