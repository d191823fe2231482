// Until it is known what became of the payment: asks when the family's money moves, and again by itself, ever more rarely, for no stream tells of
// one that failed.
import { drawnAnew, listen } from './live.js';

const news = document.getElementById('nouvelles'), shown = () => document.getElementById('paiement');
const waits = [1, 1, 2, 3, 5, 8, 13, 21, 34];
let turn = 0, later;

async function look() {
  clearTimeout(later);
  if (!document.hidden) {
    const fresh = await drawnAnew('paiement');
    if (shown().dataset.status !== 'STARTED') return;
    if (fresh && fresh.dataset.status !== 'STARTED') {
      end();
      shown().replaceWith(fresh);
      news.textContent = fresh.querySelector('h1').textContent;
      document.title = news.textContent + document.title.slice(document.title.indexOf(' – '));
      return;
    }
  }
  clearTimeout(later);
  later = setTimeout(look, 1000 * waits[Math.min(turn++, waits.length - 1)]);
}
const end = listen('/direct/solde', ({ balanceChanged }) => {
  turn = Math.max(turn, 4); // There is less need to ask.
  if (shown().dataset.solde !== String(balanceChanged.balanceCents)) look();
}, { ends: false });
later = setTimeout(look, 1000);
