// One day of a child: ticking an activity changes the draft at once, can be undone, and asks for hours where they are chosen.
import { TooLong, load, save } from './draft.js';
import { anew, lay, listen, network } from './live.js';

const $ = (selector, within = document) => within.querySelector(selector);
let told = JSON.parse($('#donnees').textContent);
const form = $('#jour'), toast = $('#toast'), dialog = $('#horaires'), past = [];
const say = (text, words) => text.replace(/\{(\w+)\}/g, (_, name) => words[name] ?? '');
const isReserved = state => /^(BOOKED|WAITING)(_LOCKED)?$/.test(state);
const concerns = (line, row) => line.child === told.child && line.date === told.date && line.activity === row.activity;
const number = row => told.numbers.get(row.activity);

/** Where the form has each activity. */
function count() { told.numbers = new Map([...form.querySelectorAll('input[name=activite]')].map((input, index) => [input.value, index])); }

/** What the draft does to it. Cancelled and booked again is booked. */
function lineOf(row, draft) {
  const lines = draft.filter(line => concerns(line, row));
  return lines.find(line => line.change === 'BOOK') ?? lines[0];
}

/** none, toggled or changed */
function stand(row, line) {
  if (!line || (line.change === 'CANCEL' && !isReserved(row.state))) return 'none';
  if (line.change === 'CANCEL' || !isReserved(row.state)) return row.looks.toggled ? 'toggled' : 'none';
  return row.looks.changed && line.arrival && `${line.arrival}-${line.departure}` !== row.booked?.join('-') ? 'changed' : 'none';
}

function paint() {
  const draft = load(told.family);
  for (const row of told.rows) {
    const at = number(row), box = $(`#choix${at}`), line = lineOf(row, draft), look = row.looks[stand(row, line)];
    if (!box) continue;
    const item = box.closest('.its'), swatch = $('.sw', item), second = $('.lk', swatch);
    box.checked = look.checked;
    form.elements[`etait${at}`].value = look.checked ? '1' : '0';
    if (look.mark) swatch.dataset.p = look.mark; else delete swatch.dataset.p;
    $('use', swatch).setAttribute('href', `#i-${look.icon}`);
    second.toggleAttribute('hidden', !look.second);
    $('use', second).setAttribute('href', look.second ? `#i-${look.second}` : '#');
    words($('.words', item), row.state, look.words);
    if (row.hours) hours(row, line?.arrival ? [line.arrival, line.departure] : row.booked ?? row.hours);
  }
  const how = $('#choix-nombre'), n = draft.length;
  how.textContent = n === 0 ? how.dataset.none : n === 1 ? how.dataset.one : how.dataset.several.replace('2', n);
  $('.mini').textContent = how.textContent;
  $('.cta').classList.toggle('off', !n);
  $('#defaire').hidden = !past.length;
}

/** Of a day that is closed, what follows a colon is the town's own. */
function words(place, state, told) {
  const at = state === 'CLOSED' ? told.indexOf(': ') + 2 : 1;
  if (place.textContent === told) return;
  place.textContent = at > 1 ? told.slice(0, at) : told;
  if (at > 1) place.append(Object.assign(document.createElement('span'), { lang: 'fr', textContent: told.slice(at) }));
}

function hours(row, [arrival, departure]) {
  const { elements } = form, at = number(row);
  if (!elements[`arrivee${at}`]) return;
  elements[`arrivee${at}`].value = arrival;
  elements[`depart${at}`].value = departure;
  elements[`horaires${at}`].value = `${arrival}-${departure}`;
  const named = name => elements[`${name}${at}`].selectedOptions[0]?.text ?? '';
  $('.from', elements[`arrivee${at}`].closest('.its')).textContent = `${named('arrivee')} – ${named('depart')}`;
}

let timer;
function show(text, undoes) {
  toast.hidden = false;
  $('p', toast).textContent = text;
  $('#undo').hidden = !undoes;
  clearTimeout(timer);
  timer = setTimeout(() => { if (!toast.matches(':hover,:focus-within')) toast.hidden = true; }, 9000);
}

function keep(draft) {
  try {
    save(told.family, draft);
    return true;
  } catch (error) {
    if (!(error instanceof TooLong)) throw error;
    show(told.words.DRAFT_TOO_LONG, false);
    return false;
  } finally {
    paint();
  }
}

/** `chosen`: the hours, where they are chosen. */
function wish(row, wanted, chosen) {
  const before = load(told.family), others = before.filter(line => !concerns(line, row));
  const line = { date: told.date, child: told.child, activity: row.activity, arrival: null, departure: null };
  const book = { ...line, change: 'BOOK', arrival: chosen?.[0] ?? null, departure: chosen?.[1] ?? null }, cancel = { ...line, change: 'CANCEL' };
  const moved = wanted && chosen && row.booked && chosen.join() !== row.booked.join();
  const lines = wanted !== isReserved(row.state) ? [wanted ? book : cancel] : moved ? [cancel, book] : [];
  if (!keep([...others, ...lines])) return;
  past.push(before);
  if (past.length > 50) past.shift();
  $('#defaire').hidden = false;
  show(say(told.words.ONE_DAY_SAID, { activity: row.name, what: row.looks[stand(row, lineOf(row, load(told.family)))].words }), true);
}

function undo() {
  if (past.length && keep(past.pop())) show(told.words.ONE_DAY_UNDONE, false);
}

function ask(row, back) {
  const { elements } = form, at = number(row), { a, b } = $('form', dialog).elements, [save, cancel] = dialog.querySelectorAll('button');
  $('#horaires-titre').textContent = say(told.words.ONE_DAY_HOURS, { activity: row.name, day: told.day });
  a.replaceChildren(...[...elements[`arrivee${at}`].options].map(option => option.cloneNode(true)));
  b.replaceChildren(...[...elements[`depart${at}`].options].map(option => option.cloneNode(true)));
  a.value = elements[`arrivee${at}`].value;
  b.value = elements[`depart${at}`].value;
  cancel.hidden = !(isReserved(row.state) && $(`#choix${at}`).checked);
  $('.rebook', dialog).hidden = !isReserved(row.state);
  $('.wrong', dialog).hidden = true;
  const minutes = text => 60 * text.slice(0, 2) + +text.slice(3);
  save.onclick = event => {
    const fits = minutes(b.value) - minutes(a.value) >= Math.max(row.shortest, 1);
    $('.wrong', dialog).hidden = fits;
    if (!fits) event.preventDefault();
  };
  dialog.onclose = () => {
    if (dialog.returnValue === 'save') wish(row, true, [a.value, b.value]);
    if (dialog.returnValue === 'cancel') wish(row, false);
    back();
  };
  dialog.returnValue = '';
  dialog.showModal();
}

form.addEventListener('click', event => {
  const box = event.target.closest('input[type=checkbox]'), button = event.target.closest('[data-hours]');
  const at = +(button?.dataset.hours ?? box?.name.slice(5) ?? -1), row = told.rows.find(each => number(each) === at);
  if (!row) return;
  const focus = button ? `[data-hours="${at}"]` : `#choix${at}`;
  const settles = () => $(focus)?.focus();
  if (button) return ask(row, settles);
  if (row.hours && row.looks.toggled && (box.checked || isReserved(row.state)) && !(isReserved(row.state) && box.checked)) {
    event.preventDefault(); // The dialog decides.
    return setTimeout(() => ask(row, settles));
  }
  wish(row, box.checked, row.hours && row.booked && box.checked ? row.booked : undefined);
});
$('#undo').addEventListener('click', undo);
$('#defaire').addEventListener('click', event => { undo(); if (event.target.hidden) $('input[type=checkbox]', form)?.focus(); });
addEventListener('keydown', event => {
  if ((event.ctrlKey || event.metaKey) && event.key.toLowerCase() === 'z' && past.length && !dialog.open) { event.preventDefault(); undo(); }
});
form.addEventListener('submit', event => { if (!navigator.onLine) { event.preventDefault(); $('#net').hidden = false; } });

// What others do: the page is asked for again, quietly.
let known;
async function refresh() {
  const there = await anew();
  if (!there || dialog.open || !$('#donnees', there)) return;
  told = JSON.parse($('#donnees', there).textContent);
  for (const part of ['.calcard', '#asof']) lay(there, part);
  count();
  paint();
}
listen(`/direct/calendrier?${new URLSearchParams({ enfant: told.child, mois: told.date.slice(0, 7) })}`, ({ calendarChanged }) => {
  const day = calendarChanged.days.find(each => each.date === told.date), mark = `${day?.state} ${day?.revision}`;
  if (known === undefined ? day && day.revision !== told.revision : known !== mark) refresh();
  known = mark;
}, { ends: false });
document.addEventListener('visibilitychange', () => { if (!document.hidden) paint(); });
addEventListener('pageshow', event => { if (event.persisted) paint(); });
network($('#net'));
count();
paint();
