// Says half an hour before a session ends that it will, and prolongs it: nobody loses what they are typing without a warning (RGAA 13.1).
import { forget, keepOnly } from './keeping.js';
const bar = document.getElementById('session'), [words, stay, again] = bar.children;
const WARNED = 1800;
let ends = Date.now() + bar.dataset.seconds * 1000, told = '';

async function learn(options) {
  try {
    const answer = await fetch('/session', options);
    if (answer.redirected) ends = Date.now(); // To the door: it is over.
    else if (answer.ok) ends = Date.now() + (await answer.json()).seconds * 1000;
  } catch {} // Offline: what was known goes on being so.
}

async function look() {
  const left = () => (ends - Date.now()) / 1000;
  if (left() < WARNED) await learn(); // Another page may have prolonged it.
  const over = left() <= 0;
  const says = left() >= WARNED ? '' : over ? bar.dataset.over : bar.dataset.ends.replace('{n}', Math.ceil(left() / 60));
  bar.hidden = !says;
  stay.hidden = over;
  again.hidden = !over;
  // Told anew every five minutes: a screen reader that is interrupted each minute is no help.
  if (says !== told && (!told || over || Math.ceil(left() / 60) % 5 === 0 || left() < 300)) words.textContent = told = says;
  if (!says) told = '';
}

stay.addEventListener('click', async () => {
  const token = document.querySelector('input[name=jeton_page]').value;
  await learn({ method: 'POST', body: new URLSearchParams({ jeton_page: token }) });
  look();
});
document.addEventListener('visibilitychange', () => document.hidden || look());
// Back to a page that the browser kept as it was: the one that was left by signing out is empty, and no other is for whoever is out.
document.querySelector('form[action="/deconnexion"]').addEventListener('submit', () => addEventListener('pagehide', () => document.body.replaceChildren()));
addEventListener('pageshow', async event => {
  if (!event.persisted) return;
  await learn();
  if (ends <= Date.now()) location.reload();
});
setInterval(look, 30000);
look();
keepOnly(bar.dataset.account);
document.querySelector('form[action="/deconnexion"]')?.addEventListener('submit', forget);
