// The page as it is now, from the server, laid over the page that is shown: only what differs is changed, and focus stays where it is.

/** -> the document at this page's own address, or null: no network, or somebody has to sign in again. */
export async function fresh() {
  try {
    const answer = await fetch(location.href, { headers: { accept: 'text/html' }, redirect: 'error' });
    return answer.ok ? new DOMParser().parseFromString(await answer.text(), 'text/html') : null;
  } catch {
    return null;
  }
}

/** `each` (a selector) in the order of the page. -> whether something changed. */
export function lay(there, each) {
  const olds = [...document.querySelectorAll(each)], news = [...there.querySelectorAll(each)], focus = document.activeElement?.id;
  if (olds.length !== news.length) return false;
  let changed = false;
  olds.forEach((old, index) => {
    const now = news[index];
    if (old.outerHTML === now.outerHTML) return;
    for (const { name } of [...old.attributes]) if (!now.hasAttribute(name)) old.removeAttribute(name);
    for (const { name, value } of now.attributes) old.setAttribute(name, value);
    if (old.innerHTML !== now.innerHTML) old.innerHTML = now.innerHTML;
    changed = true;
  });
  if (focus && document.activeElement?.id !== focus) document.getElementById(focus)?.focus();
  return changed;
}

/** Follows what the API tells at `address`, while the page can be seen. `told`: gets the data each time. */
export function follow(address, told) {
  let source;
  const open = () => {
    source = new EventSource(address);
    source.addEventListener('next', event => { const { data } = JSON.parse(event.data); if (data) told(data); });
    source.addEventListener('complete', () => source.close());
  };
  document.addEventListener('visibilitychange', () => document.hidden ? source?.close() : open());
  addEventListener('pagehide', () => source?.close());
  (window.requestIdleCallback ?? setTimeout)(() => document.hidden || open());
}

/** The bar that says there is no network. */
export function network() {
  const bar = document.getElementById('net'), look = () => { bar.hidden = navigator.onLine; };
  addEventListener('online', look);
  addEventListener('offline', look);
  look();
}
