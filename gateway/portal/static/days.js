// A calendar's days in words and signs, as gateway/portal/days.py draws them: painted again when the draft or the places change.
import { mark, shown } from './toggling.js';

const ICONS = {
  CLOSED: ['none', ''], FULL: ['full', ''], AVAILABLE: ['plus', ''], WAITLIST_OPEN: ['hour', 'plus'], BOOKED: ['check', ''],
  WAITING: ['hour', ''], BOOKED_LOCKED: ['check', 'lock'], WAITING_LOCKED: ['hour', 'lock'],
};
const MARK_ICONS = { add: 'check', addwait: 'hour', change: 'check', cancel: 'minus', leave: 'minus' };
const CLOSED_WORDS = ['PAST', 'TOO_LATE', 'PUBLIC_HOLIDAY', 'SCHOOL_HOLIDAY', 'NOT_ENROLLED'];

/** `words`: {code: text}, and {code: [one, several]} of what is counted. -> t(code, {name: value}), n(code, count) */
export function speaking(words, lang) {
  const put = (text, told) => text.replace(/\{(\w+)\}/g, (_, name) => told[name] ?? '');
  return {
    t: (code, told = {}) => put(words[code] ?? code, told),
    n: (code, count) => put(words[code][+(lang === 'fr' ? count > 1 : count !== 1)], { n: count }),
  };
}

/** How a day looks: {mark, icon, second, label, short, hours, more, acts, pressed}. `line`: what the draft does to it. */
export function look(day, line, today, { t, n }) {
  const state = day.state, its = mark(state, line?.change), booking = day.booking ?? {};
  const [label, short] = labels(day, its, today, t, n);
  const waits = state.startsWith('WAITING');
  return {
    mark: its, label, short,
    icon: its ? MARK_ICONS[its] : ICONS[state][0], second: its ? '' : ICONS[state][1],
    hours: its ? (line.arrival && its !== 'cancel' && its !== 'leave' ? `${line.arrival}–${line.departure}` : '')
      : state.startsWith('BOOKED') && booking.arrival ? `${booking.arrival.slice(0, 5)}–${booking.departure.slice(0, 5)}`
        : waits && booking.rank ? t('DAY_RANK', { rank: booking.rank }) : '',
    more: its || state === 'AVAILABLE' ? '' : t(`MORE_${state}` + (waits && booking.rank ? '_RANK' : ''), { rank: booking.rank }),
    acts: /^(AVAILABLE|WAITLIST_OPEN|BOOKED|WAITING)$/.test(state),
    pressed: /^(BOOKED|WAITING)/.test(shown(state, line?.change)),
  };
}

function labels(day, its, today, t, n) {
  if (its) return [t(`MARK_${its.toUpperCase()}`), t(its === 'cancel' || its === 'leave' ? 'SHORT_DROPPED' : 'SHORT_CHOSEN')];
  let label = t(`DAY_${day.state}`), short = day.state.includes('WAIT') ? t(day.state === 'WAITLIST_OPEN' ? 'SHORT_WAITLIST_OPEN' : 'SHORT_WAITING') : label;
  if (day.state === 'AVAILABLE' && day.placesLeft != null) label = short = n('DAY_PLACES', day.placesLeft);
  if (day.state === 'CLOSED') label = short = t(`DAY_${closedWord(day, today)}`);
  return [label, short];
}

function closedWord(day, today) {
  const code = day.date < today && day.reasonCode === 'TOO_LATE' ? 'PAST' : day.reasonCode;
  return CLOSED_WORDS.includes(code) ? code : 'CLOSED';
}

/** Why a click on this day does nothing, in words. */
export function why(day, today, { t }) {
  if (day.state !== 'CLOSED') return t(`WHY_${day.state}`);
  return closedWord(day, today) === 'PAST' ? t('WHY_PAST') : day.reason ?? t('DAY_CLOSED');
}

export const put = (element, text) => { if (element.textContent !== text) element.textContent = text; };
export const icon = (element, name) => { const use = element.querySelector('use'), href = name ? `#i-${name}` : '#'; if (use.getAttribute('href') !== href) use.setAttribute('href', href); };

/** For whoever hears the page: what stands beside the label, times among it. */
export const heard = ({ hours, more }) => [/^\d/.test(hours) ? hours : '', more].filter(Boolean).map(part => `, ${part}`).join('');

/** `element`: the day's button. */
export function paint(element, day, its) {
  const [sign, second] = element.querySelectorAll('svg');
  if (element.dataset.s !== day.state) element.dataset.s = day.state;
  if (its.mark) element.dataset.p = its.mark; else delete element.dataset.p;
  if (its.acts) { element.setAttribute('aria-pressed', its.pressed); element.removeAttribute('aria-disabled'); }
  else { element.removeAttribute('aria-pressed'); element.setAttribute('aria-disabled', 'true'); }
  icon(sign, its.icon); icon(second, its.second);
  put(element.querySelector('.lg'), its.label); put(element.querySelector('.sm'), its.short);
  put(element.querySelector('.h'), its.hours); put(element.querySelector('.d'), heard(its));
}
