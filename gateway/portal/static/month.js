// One activity's month. The page already works without this: each button posts the form. Here the same buttons answer at once, and offline.
import { load, save, TooLong, written } from './draft.js';
import { icon, look, paint, put, speaking, why } from './days.js';
import { listen } from './live.js';
import { changes, effect, mark, toggle } from './toggling.js';

const page = JSON.parse(document.getElementById('donnees').textContent);
const { t, n } = speaking(page.words, page.lang);
const $ = (selector, within = document) => within.querySelector(selector);
const form = $('#reservation'), grid = $('table.cal'), lines = $('#lignes'), list = $('.lines', lines), toast = $('#message'), bar = $('#hors-ligne');
const days = new Map(page.days.map(day => [day.date, day]));
const buttons = new Map([...grid.querySelectorAll('.day')].map(button => [button.value.slice(5), button]));
const bulks = [...form.querySelectorAll('.bulk')];
const locale = page.lang === 'fr' ? 'fr-FR' : 'en-GB';
const first = text => page.lang === 'fr' ? text.replace(/\b1 (?=[a-zé])/, '1er ') : text;
const brief = new Intl.DateTimeFormat(locale, { weekday: 'short', day: 'numeric', month: 'short', timeZone: 'UTC' });
const full = new Intl.DateTimeFormat(locale, { weekday: 'long', day: 'numeric', month: 'long', timeZone: 'UTC' });
const said = (format, date) => first(format.format(new Date(date)).replace(',', ''));
const capital = text => text[0].toUpperCase() + text.slice(1);
let draft = load(page.family), past = [];

// ------------------------------------------------------------------------------------------------------------------ drawing
const isMine = line => line.child === page.child && line.activity === page.activity;
const monday = date => { const day = new Date(date); day.setUTCDate(day.getUTCDate() - (day.getUTCDay() + 6) % 7); return day.toISOString().slice(0, 10); };
const weekday = date => new Date(date).getUTCDay();

/** The days of a button's value: jour-, semaine- or colonne- with a date, or mois. */
const reached = new Map();
function meant(value) {
  const [scope, date] = [value.split('-')[0], value.slice(value.indexOf('-') + 1)];
  if (!reached.has(value)) reached.set(value, [...days.keys()].filter(each => scope === 'mois' || (scope === 'jour' ? each === date
    : scope === 'semaine' ? monday(each) === date : weekday(each) === weekday(date))));
  return reached.get(value).map(each => days.get(each));
}

/** A click changes a few days, or all: what stays as it was is not touched, and nothing is measured, which would lay the page out at once. */
const painted = new Map();
function draw() {
  const laid = changes(draft, page.child, page.activity);
  for (const [date, button] of buttons) {
    const day = days.get(date), line = laid.get(date), was = painted.get(date);
    if (was && was[0] === day && was[1] === line) continue;
    painted.set(date, [day, line]); paint(button, day, look(day, line, page.today, { t, n }));
  }
  for (const button of bulks) drawBulk(button, effect(meant(button.value), laid));
  drawLines(laid);
}

function drawBulk(button, does) {
  if (painted.get(button) === does) return;
  painted.set(button, does);
  const sign = does === null ? '' : does ? 'book' : 'cancel', code = sign.toUpperCase() || 'NONE';
  button.dataset.w = sign;
  if (does === null) button.setAttribute('aria-disabled', 'true'); else button.removeAttribute('aria-disabled');
  icon(button, { book: 'plus', cancel: 'minus', '': 'none' }[sign]);
  $('.d', button).textContent = button.value === 'mois' ? t(`BULK_MONTH_${code}`) : `, ${t(`BULK_${code}`, { what: button.dataset.what })}`;
}

function drawLines(laid) {
  const book = draft.filter(line => line.change === 'BOOK').length, cancel = draft.length - book, marks = new Map();
  for (const [date, line] of laid) marks.set(date, days.has(date) ? mark(days.get(date).state, line.change) || 'stale' : line.change === 'BOOK' ? 'add' : 'cancel');
  const wait = [...marks.values()].filter(one => one === 'addwait').length;
  $('.none', lines).hidden = draft.length > 0;
  count('.count-book', book && n('DRAFT_BOOK', book), wait ? `, ${n('DRAFT_WAIT', wait)}` : '');
  count('.count-cancel', cancel && n('DRAFT_CANCEL', cancel), '');
  arrange([...[...laid].sort().map(([date, line]) => kept(`${date} ${marks.get(date)} ${line.arrival}-${line.departure}`, () => drawLine(date, line, marks.get(date)))), ...others()]);
  list.hidden = !draft.length; $('.cost', lines).hidden = !draft.length;
  put($('#verifier'), t('DRAFT_CHECK') + (draft.length ? ` (${draft.length})` : ''));
  $('.cta').classList.toggle('off', !draft.length);
  $('#effacer').hidden = !draft.length; $('#defaire').hidden = !past.length;
  drawShort();
}

/** What stands beside the button, where there is little room. */
function drawShort() {
  const book = draft.filter(line => line.change === 'BOOK').length, cancel = draft.length - book;
  const shown = [[price.text, 'b'], [book && t('DRAFT_MINI_BOOK', { n: book }), 'span'], [cancel && t('DRAFT_MINI_CANCEL', { n: cancel }), 'span']];
  $('.mini').replaceChildren(...shown.filter(([text]) => text).map(([text, tag]) => Object.assign(document.createElement(tag), { textContent: text })));
}

/** The item of the list that says this already, or a new one. */
const items = new Map();
function kept(name, make) {
  if (!items.has(name)) items.set(name, make());
  return items.get(name);
}

/** Items that stay are not moved: the list keeps what it was scrolled to, and the focus. */
function arrange(wanted) {
  const stay = new Set(wanted);
  for (const old of [...list.children]) if (!stay.has(old)) old.remove();
  wanted.forEach((item, at) => { if (list.children[at] !== item) list.insertBefore(item, list.children[at] ?? null); });
  for (const [name, item] of items) if (!stay.has(item)) items.delete(name);
}

function count(selector, strong, more) {
  const place = $(selector, lines);
  if (place.textContent === (strong ? strong + more : '')) return;
  place.replaceChildren(...(strong ? [Object.assign(document.createElement('b'), { textContent: strong }), more] : []));
}

function drawLine(date, line, its) {
  const item = $('#ligne').content.firstElementChild.cloneNode(true), button = $('button', item);
  const dot = { addwait: 'w', cancel: 'c', leave: 'c' }[its];
  if (dot) $('.dot', item).classList.add(dot);
  $('.when', item).textContent = said(brief, date);
  $('small', item).textContent = t(`MARK_${its.toUpperCase()}`) + (line.arrival ? ` ${line.arrival}–${line.departure}` : '');
  button.value = date; button.setAttribute('aria-label', t('DRAFT_REMOVE', { day: said(full, date) }));
  return item;
}

/** How much the draft holds of other children and activities. */
function others() {
  const found = new Map();
  for (const line of draft) if (!isMine(line)) { const name = `${line.child}\0${line.activity}`; found.set(name, [...found.get(name) ?? [], line]); }
  return [...found].map(([name, held]) => kept(`${name}\0${held[0].date}\0${held.length}`, () => drawOther(held)));
}

function drawOther(held) {
  const item = $('#autre').content.firstElementChild.cloneNode(true), link = $('a', item), { child, activity, date } = held[0];
  link.href = `/reserver?${new URLSearchParams({ enfant: child, activite: activity, mois: date.slice(0, 7) })}`;
  link.textContent = `${page.names.children[child] ?? '?'}, ${page.names.activities[activity] ?? '?'}`;
  $('small', item).textContent = n('DRAFT_DAYS', held.length);
  return item;
}

// ------------------------------------------------------------------------------------------------------------------- acting
let hiding;
function say(text, canUndo) {
  $('p', toast).textContent = text; $('#annonce').textContent = text; toast.hidden = !text; $('#annuler').hidden = !canUndo;
  clearTimeout(hiding); hiding = setTimeout(hide, 9000);
}
function hide() { if (toast.matches(':hover,:focus-within')) hiding = setTimeout(hide, 3000); else toast.hidden = true; }

/** The draft as it is to be. -> whether the browser can keep it. */
function keep(next, text) {
  const before = draft;
  try { save(page.family, next); } catch (error) {
    if (!(error instanceof TooLong)) throw error;
    say(t('DRAFT_TOO_LONG'), false); return false;
  }
  past.push(before); if (past.length > 50) past.shift();
  draft = next; draw(); reckon(); if (text) say(text, true);
  return true;
}

function undo() {
  if (!past.length) return;
  draft = past.pop(); save(page.family, draft); draw(); reckon(); say(t('DRAFT_UNDONE'), false);
}

function act(value, hours) {
  const asked = meant(value), done = toggle(asked, draft, page.child, page.activity, hours);
  const alone = value.startsWith('jour-') ? asked[0] : null;
  if (done.effect === null) {
    if (done.draft.length !== draft.length) return keep(done.draft, t('DRAFT_REMOVED'));
    return say(alone ? t('DAY_SAID', { day: said(full, alone.date), what: why(alone, page.today, { t }) }) : t('WHY_NONE'), false);
  }
  if (done.effect && page.blocked && done.draft.some(line => line.change === 'BOOK' && !draft.includes(line))) return say(page.blocked, false);
  if (!done.touched.length) return;
  if (alone) {
    const its = look(alone, changes(done.draft, page.child, page.activity).get(alone.date), page.today, { t, n });
    return keep(done.draft, t('DAY_SAID', { day: said(full, alone.date), what: its.label }));
  }
  const wait = done.effect ? done.touched.filter(day => day.state === 'WAITLIST_OPEN').length : 0;
  keep(done.draft, n(done.effect ? 'DONE_ADDED' : 'DONE_REMOVED', done.touched.length) + (wait ? `, ${n('DRAFT_WAIT', wait)}` : ''));
}

// -------------------------------------------------------------------------------------------------------------------- hours
const minutes = time => +time.slice(0, 2) * 60 + +time.slice(3);
/** A departure that is long enough after the arrival: what was changed stays, the other one gives way. */
function fit(arrival, departure, changed) {
  const fits = () => minutes(departure.value) - minutes(arrival.value) >= Math.max(page.shortest, 1);
  if (fits()) return;
  const options = changed === arrival ? [...departure.options] : [...arrival.options].reverse(), other = changed === arrival ? departure : arrival;
  for (const option of options) { other.value = option.value; if (fits()) return; }
}
const chosen = () => page.choosesHours ? [form.elements.arrivee.value, form.elements.depart.value] : [null, null];
const asks = () => page.choosesHours && form.elements.horaires.value === 'demander';
function tellHours() {
  if (!page.choosesHours) return;
  $('#horaires-choisis').textContent = asks() ? t('HOURS_ASKED') : [form.elements.arrivee, form.elements.depart].map(one => one.selectedOptions[0].text).join(' – ');
}
function askHours(value) {
  const dialog = $('#horaires-jour'), [arrival, departure] = dialog.querySelectorAll('select'), date = value.slice(5);
  $('#horaires-titre').textContent = t('HOURS_OF_DAY', { day: said(full, date) });
  [arrival.value, departure.value] = chosen();
  dialog.onchange = event => fit(arrival, departure, event.target);
  dialog.onclose = () => { if (dialog.returnValue === 'ok') act(value, [arrival.value, departure.value]); buttons.get(date).focus(); };
  dialog.returnValue = ''; dialog.showModal();
}

form.addEventListener('change', event => {
  if (event.target.name === 'arrivee' || event.target.name === 'depart') fit(form.elements.arrivee, form.elements.depart, event.target);
  tellHours();
});
form.addEventListener('submit', event => event.preventDefault());
form.addEventListener('click', event => {
  const button = event.target.closest('button');
  if (!button) return;
  if (button.name === 'retirer') {
    keep(draft.filter(line => !(isMine(line) && line.date === button.value)), t('DRAFT_REMOVED'));
    ($('button', list) ?? $('#choix')).focus();
  } else if (button.id === 'effacer') { keep([], t('EMPTIED')); $('#defaire').focus(); }
  else if (button.id === 'defaire') { undo(); if ($('#defaire').hidden) $('#choix').focus(); }
  else if (button.name === 'bascule') {
    const day = button.matches('.day') && days.get(button.value.slice(5));
    rove(button);
    if (day && asks() && !page.blocked && effect([day], changes(draft, page.child, page.activity))) askHours(button.value); else act(button.value, chosen());
  }
});
$('#annuler').onclick = undo;

// ----------------------------------------- the keyboard, as the ARIA Authoring Practices have it for grids: one tab stop, arrows
grid.setAttribute('role', 'grid');
for (const cell of grid.querySelectorAll('td')) cell.setAttribute('role', 'gridcell');
const cells = [...grid.rows].map(row => [...row.cells].map(cell => $('button', cell))), flat = cells.flat().filter(Boolean);
function rove(button) { if (grid.contains(button)) for (const one of flat) one.tabIndex = one === button ? 0 : -1; }
rove($('[aria-current=date]', grid) ?? $('.day:not([aria-disabled])', grid) ?? $('.day', grid) ?? flat[0]);
grid.addEventListener('focusin', event => event.target.matches('button') && rove(event.target));
grid.addEventListener('keydown', event => {
  const row = cells.findIndex(one => one.includes(event.target)), key = event.key, control = event.ctrlKey || event.metaKey;
  if (row < 0 || event.altKey) return;
  const column = cells[row].indexOf(event.target), down = cells.map(one => one[column]);
  const walk = (line, from, step) => { for (let at = from + step; at >= 0 && at < line.length; at += step) if (line[at]) return line[at]; };
  const to = {
    ArrowRight: () => walk(cells[row], column, 1), ArrowLeft: () => walk(cells[row], column, -1), ArrowDown: () => walk(down, row, 1), ArrowUp: () => walk(down, row, -1),
    Home: () => control ? flat.find(one => one.matches('.day')) : walk(cells[row], -1, 1), End: () => control ? flat.at(-1) : walk(cells[row], cells[row].length, -1),
  }[key];
  if (to) to()?.focus();
  else if (key === 'PageUp' || key === 'PageDown') $(`a.arrow[rel=${key === 'PageUp' ? 'prev' : 'next'}]`)?.click();
  else if (key === ' ' && event.shiftKey) { if (cells[row][0]) act(cells[row][0].value, chosen()); }
  else if (key === ' ' && control) { if (cells[0][column]) act(cells[0][column].value, chosen()); }
  else if (control && key.toLowerCase() === 'a') act('mois', chosen());
  else return;
  event.preventDefault();
});
grid.addEventListener('keyup', event => { if (event.key === ' ' && (event.shiftKey || event.ctrlKey || event.metaKey)) event.preventDefault(); });
addEventListener('keydown', event => {
  if ((event.ctrlKey || event.metaKey) && event.key.toLowerCase() === 'z' && !event.shiftKey && past.length && !event.target.matches('input,textarea,dialog *')) { event.preventDefault(); undo(); }
});

// ------------------------------------------------------------------------------------------------ what it costs, once nobody clicks
const price = { text: '', later: $('#cout').textContent, timer: 0, asked: null };
function reckon() {
  clearTimeout(price.timer); price.asked?.abort();
  if (draft.length && navigator.onLine) price.timer = setTimeout(askPrice, 400); else tellPrice('');
}
/** Empty: it is not known, for what was told is another draft's. */
function tellPrice(text) {
  if (price.text === text) return;
  price.text = text; $('#cout').textContent = text || price.later; drawShort();
}
async function askPrice() {
  price.asked = new AbortController();
  try {
    const answer = await fetch(`/reserver/cout?famille=${encodeURIComponent(page.family)}`, { signal: price.asked.signal, redirect: 'manual' });
    tellPrice(answer.ok ? (await answer.json()).text : '');
  } catch (error) { if (error.name !== 'AbortError') tellPrice(''); /* The recap tells it. */ }
}

// ------------------------------------------------------------------------------------------------------------- the network
function net() {
  bar.hidden = navigator.onLine;
  if (navigator.onLine) reckon(); else { clearTimeout(price.timer); price.asked?.abort(); }
}
addEventListener('online', net); addEventListener('offline', net);
$('#verifier').addEventListener('click', event => { if (!navigator.onLine) { event.preventDefault(); bar.hidden = false; say(bar.textContent, false); } });

/** Another tab, or the page before, may have changed the draft. */
function refresh() { const now = load(page.family); if (written(now) !== written(draft)) { draft = now; draw(); reckon(); } }
addEventListener('pageshow', event => event.persisted && refresh());
addEventListener('focus', refresh);
document.addEventListener('visibilitychange', () => document.hidden || refresh());

// ----------------------------------------------------------------------------------------- live: places, and other families
const clock = new Intl.DateTimeFormat('fr-FR', { timeStyle: 'medium', timeZone: page.timezone });
function hear({ calendarChanged: calendar }) {
  if (!calendar) return;
  put($('#asof'), t('AS_OF', { time: clock.format(new Date(calendar.asOf)) }));
  const laid = changes(draft, page.child, page.activity), changed = [];
  for (const now of calendar.days) {
    const was = days.get(now.date);
    if (!was || now.revision < was.revision || sight(now) === sight(was)) continue;
    days.set(now.date, now); changed.push(now.date);
    const before = mark(was.state, laid.get(now.date)?.change), after = mark(now.state, laid.get(now.date)?.change);
    if (before === 'add' && after === 'addwait') say(t('LIVE_GONE', { day: capital(said(full, now.date)) }), false);
    else if (before.startsWith('add') && !after) say(t('LIVE_STALE', { day: capital(said(full, now.date)) }), false);
  }
  if (!changed.length) return;
  draw(); reckon();
  for (const date of changed) { const button = buttons.get(date); button.classList.remove('flash'); void button.offsetWidth; button.classList.add('flash'); }
}
const sight = day => JSON.stringify([day.state, day.placesLeft ?? null, day.reasonCode ?? null, day.booking?.rank ?? null, day.booking?.arrival ?? null, day.booking?.departure ?? null]);

draw(); tellHours();
(window.requestIdleCallback ?? setTimeout)(() => {
  net();
  const where = new URLSearchParams({ enfant: page.child, activite: page.activity, mois: page.month });
  listen(`/direct/calendrier?${where}`, hear, { ends: false });
});
grid.dataset.ready = '1';
