// The month of several activities: its days change with what others do, and with what was chosen in another tab. All else are links.
import { load, written } from './draft.js';
import { anew, lay, listen, network } from './live.js';

const told = JSON.parse(document.getElementById('donnees').textContent);
const table = document.querySelector('table.cal');
const days = () => [...table.querySelectorAll('a.day')];
const dateOf = day => new URL(day.href).searchParams.get('date');
let drawn = told.draft; // The page may be an old one, from the browser's history.

async function refresh() {
  const there = await anew();
  if (!there) return;
  const stop = dateOf(days().find(day => day.tabIndex === 0));
  for (const part of ['.cal a.day', '.draft', '#asof']) lay(there, part);
  rove(days().find(day => dateOf(day) === stop));
  drawn = written(load(told.family));
}

listen(`/direct/calendrier?${new URLSearchParams({ enfant: told.child, mois: told.month })}`, ({ calendarChanged }) => {
  const states = new Map(calendarChanged.days.map(day => [day.date, day.state]));
  if (days().some(day => states.has(dateOf(day)) && states.get(dateOf(day)) !== day.dataset.s)) refresh();
}, { ends: false });
const look = () => { if (!document.hidden && written(load(told.family)) !== drawn) refresh(); };
document.addEventListener('visibilitychange', look);
addEventListener('pageshow', event => { if (event.persisted) look(); });
look();
network(document.getElementById('net'));

// ------------------------------------------ the keyboard, as in the month of one activity: one tab stop, arrows; each day stays a link
table.setAttribute('role', 'grid');
for (const cell of table.querySelectorAll('td')) cell.setAttribute('role', 'gridcell');
function rove(day) { for (const one of days()) one.tabIndex = one === day ? 0 : -1; }
rove(table.querySelector('a[aria-current=date]') ?? table.querySelector('a.day'));
table.addEventListener('focusin', event => event.target.matches('a.day') && rove(event.target));
table.addEventListener('keydown', event => {
  const here = event.target.closest('a.day'), control = event.ctrlKey || event.metaKey;
  if (!here || event.altKey) return;
  const rows = [...table.tBodies[0].rows].map(row => [...row.cells].map(cell => cell.querySelector('a.day')));
  const r = rows.findIndex(row => row.includes(here)), c = rows[r].indexOf(here), all = days();
  const column = rows.map(row => row[c]).filter(Boolean), line = rows[r].filter(Boolean);
  const near = (list, step) => list[list.indexOf(here) + step];
  const to = {
    ArrowRight: near(line, 1), ArrowLeft: near(line, -1), ArrowDown: near(column, 1), ArrowUp: near(column, -1),
    Home: control ? all[0] : line[0], End: control ? all.at(-1) : line.at(-1),
  };
  if (event.key in to) to[event.key]?.focus();
  else if (event.key === 'PageUp' || event.key === 'PageDown') document.querySelector(`.arrow[rel=${event.key === 'PageUp' ? 'prev' : 'next'}]`)?.click();
  else return;
  event.preventDefault();
});
