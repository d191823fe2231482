// What is shown of days, money and requests, kept up to date while somebody looks: <div id data-suivre="addresses" data-depuis="when that was asked"
// data-dit="what is said then">, with all that has an id and `data-suivi`. `data-solde`: the balance and the cost that it shows, in cents.
import { anew, lay, listen } from './live.js';

for (const button of document.querySelectorAll('[data-print]')) button.addEventListener('click', () => print());

const part = () => document.querySelector('[data-suivre]');
const known = new Map(), followed = new Map();
let soon, turn = Promise.resolve();

/** What a calendar tells of the family's own days: a place in the line moves with whoever comes and goes, a booked day with its state alone. */
const own = days => days.filter(day => /^(BOOKED|WAITING)/.test(day.state)).map(({ date, state, revision }) => `${date} ${state} ${state[0] === 'W' ? revision : ''}`).join();

/** Whether it tells what is not shown: the first thing told is what is so already, unless it has changed since the page was asked. */
function isNews(address, { balanceChanged: balance, calendarChanged: calendar }) {
  if (balance) return part().dataset.solde !== `${balance.balanceCents} ${balance.estimatedCostCents}`;
  if (!calendar) return true;
  const was = known.get(address), is = own(calendar.days);
  known.set(address, is);
  return was === undefined ? Date.parse(calendar.asOf) > part().dataset.depuis - 2000 : was !== is; // No two clocks agree.
}

/** One part as the server draws it now; the focus stays where it was. -> whether it is not what it was. */
function redraw(old, there) {
  const fresh = there.getElementById(old.id);
  if (!fresh || old.querySelector('input:checked')) return false;
  const held = old.contains(document.activeElement) ? document.activeElement : null, differs = fresh.textContent !== old.textContent;
  if (!differs) { for (const [name, value] of Object.entries(fresh.dataset)) old.dataset[name] = value; return false; }
  old.replaceWith(document.adoptNode(fresh));
  const again = held && (document.getElementById(held.id) || [...fresh.querySelectorAll('a, button')].find(each => each.textContent === held.textContent));
  again?.focus();
  return true;
}

async function refresh() {
  const there = await anew();
  if (!there || !part()) return;
  const words = part().dataset.dit, changed = [...document.querySelectorAll('[data-suivre], [data-suivi]')].filter(old => redraw(old, there));
  lay(there, '#asof');
  if (changed.length) document.getElementById('dit').textContent = words;
  follow();
}

/** What the page names, and no more what it named before: a browser has few connections. */
function follow() {
  const named = new Set((part()?.dataset.suivre ?? '').split(' ').filter(Boolean));
  for (const [address, end] of followed) if (!named.has(address)) { end(); followed.delete(address); known.delete(address); }
  for (const address of named) {
    if (followed.has(address)) continue;
    followed.set(address, listen(address, told => {
      if (!part() || !isNews(address, told)) return;
      clearTimeout(soon); soon = setTimeout(() => { turn = turn.then(refresh); }, 200); // Several may tell at once.
    }, { ends: address.startsWith('/direct/demande/') }));
  }
}
follow();
