// The draft after one click on the calendar of one child and one activity (S27-S29): what the API's `toggleBookings` answers, worked out here
// so that it answers at once and without a network. A day: {date, state}; a line: draft.js.

export const ACTIONABLE = new Set(['AVAILABLE', 'WAITLIST_OPEN', 'BOOKED', 'WAITING']);
const isReserved = state => /^(BOOKED|WAITING)(_LOCKED)?$/.test(state);

/** The state of a day with the draft laid over it (S30). What cannot be changed any more looks as it is. */
export function shown(state, change) {
  if (change === 'BOOK') return { AVAILABLE: 'BOOKED', WAITLIST_OPEN: 'WAITING' }[state] ?? state;
  if (change === 'CANCEL') return { BOOKED: 'AVAILABLE', WAITING: 'AVAILABLE' }[state] ?? state;
  return state;
}

/** How a day is marked that the draft changes: '', add, addwait, cancel, leave; change: booked with other hours. */
export function mark(state, change) {
  if (change === 'BOOK') return { AVAILABLE: 'add', WAITLIST_OPEN: 'addwait', BOOKED: 'change', WAITING: 'change' }[state] ?? '';
  if (change === 'CANCEL') return { BOOKED: 'cancel', WAITING: 'leave' }[state] ?? '';
  return '';
}

/** date -> line. Cancelled and booked again, with other hours for instance, is booked. */
export function changes(draft, child, activity) {
  const found = new Map();
  for (const line of draft) if (line.child === child && line.activity === activity && !(found.get(line.date)?.change === 'BOOK')) found.set(line.date, line);
  return found;
}

/** What a click on these days would do: true: reserve, false: cancel, null: nothing, no day can be changed. */
export function effect(days, laid) {
  const first = days.find(day => ACTIONABLE.has(day.state));
  return first ? !isReserved(shown(first.state, laid.get(first.date)?.change)) : null;
}

/**
 * Look at the first actionable day: if it is not reserved, reserve every actionable one; if it is, cancel every one. `days`: those meant, by date.
 * `hours`: [arrival, departure], or [null, null] where the activity has its own. -> {draft, effect, touched: the days that changed}
 */
export function toggle(days, draft, child, activity, hours) {
  const laid = changes(draft, child, activity), reserve = effect(days, laid);
  const mine = line => line.child === child && line.activity === activity;
  if (reserve === null) {
    const alone = days.length === 1 ? days[0].date : null; // What the draft holds for it since before it closed.
    return { draft: draft.filter(line => !(mine(line) && line.date === alone)), effect: null, touched: [] };
  }
  const touched = days.filter(day => ACTIONABLE.has(day.state) && isReserved(shown(day.state, laid.get(day.date)?.change)) !== reserve);
  const undone = new Set(touched.map(day => day.date));
  const lines = touched.filter(day => isReserved(day.state) !== reserve).map(day => ({
    date: day.date, child, activity, change: reserve ? 'BOOK' : 'CANCEL', arrival: reserve ? hours[0] : null, departure: reserve ? hours[1] : null,
  }));
  return { draft: [...draft.filter(line => !(mine(line) && undone.has(line.date))), ...lines], effect: reserve, touched };
}
