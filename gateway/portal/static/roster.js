// Each tick is sent at once; what could not be sent stays on this device, through reloads too, until it could.
// What was sent is remembered until the copy of this page is newer, which is shown when there is no network (offline.js).
import { refresh } from './offline.js';
const words = document.getElementById('mots').dataset, form = document.getElementById('pointage');
const badge = document.getElementById('file'), refused = document.getElementById('refus');
const PREFIX = 'preau-pointage ', account = form?.dataset.account ?? '';
const field = name => document.querySelector(`[name="${name}"]`)?.value ?? '';
const here = { activite: field('activite'), date: field('date') };
const fill = (text, told) => text.replace(/\{(\w+)\}/g, (_, name) => told[name]);
const day = new Intl.DateTimeFormat(document.documentElement.lang, { dateStyle: 'medium' });
const AGAIN = 5000, FIELDS = ['presence', 'arrivee', 'depart', 'note'];

/** All that is remembered, oldest first: one for each child, day and activity. Key -> what was ticked. */
function remembered() {
  const found = [];
  for (let i = 0; i < localStorage.length; i++) {
    const key = localStorage.key(i);
    if (key.startsWith(`${PREFIX}${account} `)) found.push([key, JSON.parse(localStorage.getItem(key))]);
  }
  return found.sort((a, b) => a[1].at - b[1].at);
}
/** What is to be sent. */
const waiting = () => remembered().filter(([, tick]) => !tick.sent);
const keyOf = tick => `${PREFIX}${account} ${tick.activite} ${tick.date} ${tick.enfant}`;
const row = tick => tick.activite === here.activite && tick.date === here.date ? document.querySelector(`[data-child="${CSS.escape(tick.enfant)}"]`) : null;

function controls(child) {
  const named = name => form.elements[`${name}-${child}`];
  return { presence: named('presence'), arrivee: named('arrivee'), depart: named('depart'), note: named('note') };
}

function keep(child) {
  const now = controls(child), tick = { ...here, enfant: child, name: row({ ...here, enfant: child }).dataset.name, at: Date.now() };
  for (const name of FIELDS) tick[name] = now[name].value;
  localStorage.setItem(keyOf(tick), JSON.stringify(tick));
  show(); send();
}

/** As the page shows it now. */
function paint(tick) {
  const line = row(tick); if (!line) return;
  const now = controls(tick.enfant);
  for (const name of FIELDS) now[name].value = tick[name];
  form.elements[`avant-${tick.enfant}`].value = FIELDS.map(name => tick[name]).join('|');
}

/** As it was before somebody ticked what was refused. */
function undo(tick) {
  if (!row(tick)) return;
  const [presence, arrivee, depart, ...note] = form.elements[`avant-${tick.enfant}`].value.split('|');
  paint({ ...tick, presence, arrivee, depart, note: note.join('|') });
}

let said = false;
function show() {
  const ticks = waiting();
  for (const line of document.querySelectorAll('.sending')) line.classList.remove('sending');
  for (const [, tick] of ticks) row(tick)?.classList.add('sending');
  badge.hidden = !ticks.length && !said;
  badge.classList.toggle('ok', !ticks.length);
  // Said only where the network makes somebody wait, not at each tick.
  if (!ticks.length && isKept()) { badge.hidden = false; badge.classList.remove('ok'); badge.textContent = words.kept; }
  else if (ticks.length && (stuck || !navigator.onLine)) { badge.textContent = fill(words.queue, { n: ticks.length }); said = true; }
  else if (ticks.length) badge.hidden = !said;
  else if (said) badge.textContent = words.sent;
}

function refuse(tick, why) {
  const item = document.createElement('li');
  item.textContent = fill(words.refused, { what: `${tick.name}, ${tick.activite === here.activite ? '' : tick.activite + ' '}${day.format(new Date(`${tick.date}T12:00`))}`, why });
  refused.querySelector('ul').append(item); refused.hidden = false;
}

function signInAgain() {
  if (badge.querySelector('a')) return;
  const link = document.createElement('a');
  link.href = `/connexion?suite=${encodeURIComponent(location.pathname + location.search)}&fin=1`; link.textContent = words.again;
  badge.hidden = false; badge.replaceChildren(words.over + ' ', link);
}

/** What was sent before, a newer copy of the page shows; where none is kept, nobody needs to remember it. */
async function renew() {
  const sent = remembered().filter(([, tick]) => tick.sent);
  if (!sent.length || (navigator.serviceWorker?.controller && !await refresh())) return;
  for (const [key, tick] of sent) if (JSON.parse(localStorage.getItem(key))?.sent === tick.sent) localStorage.removeItem(key);
}

const isKept = () => document.documentElement.dataset.kept !== undefined;

/** The copy has done its service once there is a network again, and nothing is left to be sent or read. */
async function leaveCopy() {
  if (refused.hidden && await refresh()) location.reload();
  else timer = setTimeout(send, 6 * AGAIN);
}

let busy = false, stuck = false, timer;
async function send() {
  if (busy || !account) return;
  busy = true; clearTimeout(timer);
  try {
    for (let next; (next = waiting()[0]);) {
      const [key, tick] = next, body = new URLSearchParams({ jeton_page: field('jeton_page') });
      for (const name of ['activite', 'date', 'enfant', ...FIELDS]) body.set(name, tick[name]);
      const answer = await fetch('/bureau/pointage/cocher', { method: 'POST', body, redirect: 'manual', signal: AbortSignal.timeout(15000) });
      if (answer.type === 'opaqueredirect' || answer.status === 403) { busy = false; return signInAgain(); }
      if (answer.status === 404) refuse(tick, answer.status);  // It is not this agent's any more: nothing would ever take it.
      else if (!answer.ok) throw new Error(answer.status);
      const told = answer.status === 404 ? {} : await answer.json();
      // What was ticked meanwhile stays to be sent.
      if (JSON.parse(localStorage.getItem(key))?.at === tick.at) {
        if (told.entry) localStorage.setItem(key, JSON.stringify({ ...tick, sent: Date.now() }));
        else localStorage.removeItem(key);
        if (told.entry) paint({ ...tick, presence: told.entry.attendance, arrivee: told.entry.arrival ?? '', depart: told.entry.departure ?? '', note: told.entry.note ?? '' });
        else undo(tick);
        if (told.refusal) refuse(tick, told.refusal);
      }
      if (told.counts && row(tick)) for (const each of document.querySelectorAll('[data-count]')) each.textContent = told.counts[each.dataset.count];
      stuck = false; show();
    }
    await renew();
    if (isKept()) await leaveCopy();
  } catch { stuck = true; timer = setTimeout(send, AGAIN); }
  busy = false; show();
  if (!stuck && waiting().length) send();  // Ticked while the copy was made anew.
}

if (form) {
  for (const [key, tick] of remembered()) {
    const line = row(tick); if (!line) continue;
    if (tick.sent && !isKept()) {
      if (tick.sent < performance.timeOrigin) { localStorage.removeItem(key); continue; }  // The page is newer.
      localStorage.setItem(key, JSON.stringify({ ...tick, sent: undefined }));  // Sent while it was on its way, it may be older: once more.
    }
    const now = controls(tick.enfant);
    for (const name of FIELDS) now[name].value = tick[name];
  }
  form.addEventListener('change', event => { const child = event.target.closest('[data-child]')?.dataset.child; if (child) keep(child); });
  addEventListener('online', send);
  addEventListener('offline', show);
  addEventListener('pageshow', () => { show(); send(); });
}
