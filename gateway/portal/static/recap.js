// The recap follows the places of what was chosen: what it says of a line is drawn anew where that changes. The form goes on telling what was shown
// before, until there was time to read: whoever confirms in that very moment is asked again (S24).
import { anew, lay, listen } from './live.js';

const READ_MS = 2000;
const { address, asked, streams } = JSON.parse(document.getElementById('donnees').textContent);
const { elements } = document.getElementById('valider'), first = elements.vu.value, known = new Map();
let soon, reading, turn = Promise.resolve();

/** What a line may depend on, of which the draft has `count`: a place more than that is nothing to it. */
const sight = (day, count) => [day.date, day.state, Math.min(day.placesLeft ?? count, count), day.state.startsWith('WAIT') ? day.revision : ''].join(' ');
const says = () => [...document.querySelectorAll('table.recap')].map(each => each.textContent).join();

async function refresh() {
  const there = await anew(`${address}${address.includes('?') ? '&' : '?'}vu=${first}`), form = there?.getElementById('valider');
  if (form?.elements.lignes.value !== elements.lignes.value) return; // Another tab chose something else.
  const before = says();
  for (const part of ['#asof', '#avis', 'table.recap td', '#bourses', '#impossibles']) lay(there, part);
  if (says() !== before) { const said = document.getElementById('dit'); said.textContent = said.dataset.dit; }
  clearTimeout(reading);
  reading = setTimeout(() => { elements.vu.value = form.elements.vu.value; }, READ_MS);
}

for (const { address: stream, days } of streams) {
  listen(stream, ({ calendarChanged: calendar }) => {
    const was = known.get(stream), is = calendar.days.filter(day => days[day.date]).map(day => sight(day, days[day.date])).join();
    known.set(stream, is);
    if (was === undefined ? Date.parse(calendar.asOf) <= asked - 2000 : was === is) return; // No two clocks agree.
    clearTimeout(soon); soon = setTimeout(() => { turn = turn.then(refresh); }, 200);
  }, { ends: false });
}
