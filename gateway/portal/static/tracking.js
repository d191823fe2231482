// What is shown of requests and waiting places, kept up to date while somebody looks: <div id data-suivre="addresses" data-dit="what is said then">.
// `data-toujours`: it may change again and again.
import { drawnAnew, listen } from './live.js';

for (const button of document.querySelectorAll('[data-print]')) button.addEventListener('click', () => print());

/** The page's part of that id, as the server draws it now; the focus stays where it was. Says `words` if it is not what it was. */
async function redraw(id, words) {
  const fresh = await drawnAnew(id), old = document.getElementById(id);
  if (!fresh || !old || fresh.textContent === old.textContent) return;
  const held = old.contains(document.activeElement) ? document.activeElement : null;
  if (held?.matches('input:checked')) return;
  old.replaceWith(document.adoptNode(fresh));
  const again = held && (document.getElementById(held.id) || [...fresh.querySelectorAll('a, button')].find(each => each.textContent === held.textContent));
  again?.focus();
  document.getElementById('dit').textContent = words;
}

const part = document.querySelector('[data-suivre]');
if (part) {
  const { id, dataset: { suivre, dit, toujours } } = part;
  let soon;
  const hear = () => { clearTimeout(soon); soon = setTimeout(() => redraw(id, dit), 200); }; // Several may tell at once.
  for (const address of suivre.split(' ')) listen(address, hear, { ends: toujours === undefined });
}
