// New balances and the total while somebody writes; and one payment, however often the button is pressed.
const form = document.getElementById('payer');
const formatted = new Intl.NumberFormat(document.documentElement.lang === 'fr' ? 'fr-FR' : 'en-GB', { style: 'currency', currency: 'EUR' });
const money = cents => formatted.format(cents / 100).replace('-', '−');

/** As the server reads an amount; null: it is none. */
function cents(text) {
  const found = /^(\d{1,7})(?:[.,](\d{1,2}))?$/.exec(text.replace(/\s/g, '').replace(/^€|€$/g, ''));
  return found ? Number(found[1]) * 100 + Number((found[2] ?? '0').padEnd(2, '0')) : text.trim() ? null : 0;
}

function paint() {
  let total = 0;
  for (const row of form.querySelectorAll('tr[data-rest]')) {
    const pays = cents(row.querySelector('input').value), cell = row.lastElementChild.firstElementChild;
    if (pays === null) { cell.textContent = '…'; cell.className = ''; continue; }
    const left = Number(row.dataset.rest) + pays;
    cell.textContent = money(left); cell.className = left < 0 ? 'neg' : '';
    total += pays;
  }
  document.getElementById('total').textContent = money(total);
}

if (form) {
  let isSent = false;
  form.addEventListener('input', paint);
  form.addEventListener('submit', event => {
    if (isSent) { event.preventDefault(); return; }
    isSent = true;
    document.getElementById('nouvelles').textContent = form.dataset.leaving;
  });
  addEventListener('pageshow', event => { if (event.persisted) isSent = false; });
}
