// The draft (S25): what the family chose and did not confirm, in a cookie that the server reads and writes too, exactly as gateway/portal/draft.py.
// A line: {date: '2026-11-12', child, activity, change: 'BOOK' | 'CANCEL', arrival: 'HH:MM' | null, departure}.

const LONGEST = 3600, KEPT_SECONDS = 7 * 24 * 3600;
const ITEM = /^([bc])([1-9]\d{3})(0[1-9]|1[0-2])\.([0-9a-f]{1,8})(?:@(\d{4})(\d{4}))?$/;
const quote = text => encodeURIComponent(text).replace(/[!'()*]/g, letter => '%' + letter.charCodeAt(0).toString(16).toUpperCase());
const unquote = text => { try { return decodeURIComponent(text); } catch { return ''; } };
const hour = digits => digits ? `${digits.slice(0, 2)}:${digits.slice(2)}` : null;
const order = line => [line.date, line.child, line.activity, line.change].join('\0');
const byOrder = (one, other) => order(one) < order(other) ? -1 : order(one) > order(other) ? 1 : 0;

const byKey = ([one], [other]) => one < other ? -1 : 1;

export class TooLong extends Error {}

/** By date. What cannot be read is left out. */
export function read(written) {
  const lines = new Map();
  for (const group of written.split('|')) {
    const [child, activity, items = ''] = group.split(':');
    if (!child || !activity) continue;
    for (const item of items.split('+')) {
      const [, change, year, month, days, arrival, departure] = ITEM.exec(item) ?? [];
      if (!change) continue;
      for (let day = 1, last = new Date(Date.UTC(+year, +month, 0)).getUTCDate(); day <= last; day++) {
        if (!(parseInt(days, 16) >>> (day - 1) & 1)) continue;
        const line = {
          date: `${year}-${month}-${String(day).padStart(2, '0')}`, child: unquote(child), activity: unquote(activity),
          change: change === 'b' ? 'BOOK' : 'CANCEL', arrival: hour(arrival), departure: hour(departure),
        };
        lines.set(`${order(line)}\0${line.arrival}\0${line.departure}`, line);
      }
    }
  }
  return [...lines.values()].sort(byOrder);
}

/** Throws TooLong: more than a browser keeps. */
export function written(lines) {
  const groups = new Map();
  for (const line of lines) {
    const name = `${line.child}\0${line.activity}`;
    const hours = line.arrival && line.departure ? '@' + (line.arrival + line.departure).replaceAll(':', '') : '';
    const item = [line.change === 'BOOK' ? 'b' : 'c', line.date.slice(0, 7).replace('-', ''), hours].join('\0');
    const items = groups.get(name) ?? groups.set(name, new Map()).get(name);
    items.set(item, (items.get(item) ?? 0) | 1 << (+line.date.slice(8) - 1));
  }
  const text = [...groups].sort(byKey).map(([name, items]) => `${name.split('\0').map(quote).join(':')}:` + [...items].sort(byKey).map(([item, days]) => {
    const [change, month, hours] = item.split('\0');
    return `${change}${month}.${(days >>> 0).toString(16)}${hours}`;
  }).join('+')).join('|');
  if (text.length > LONGEST) throw new TooLong();
  return text;
}

const cookie = family => `preau_brouillon_${quote(family)}`;

/** Each family has a draft of its own, which another tab may have changed. */
export function load(family) {
  const found = document.cookie.split('; ').find(one => one.startsWith(cookie(family) + '='));
  return read(found ? found.slice(cookie(family).length + 1).replace(/^"(.*)"$/, '$1') : '');
}

/** Throws TooLong, and then nothing is changed. */
export function save(family, lines) {
  const text = written(lines), secure = location.protocol === 'https:' ? '; Secure' : '';
  document.cookie = `${cookie(family)}=${text}; Path=/; Max-Age=${text ? KEPT_SECONDS : 0}; SameSite=Lax${secure}`;
}
