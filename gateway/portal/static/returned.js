// Asks again, ever more rarely, until the payment site has said what became of the payment.
import { drawnAnew } from './live.js';

const news = document.getElementById('nouvelles');
const waits = [1, 1, 2, 3, 5, 8, 13, 21, 34];
let turn = 0;

async function look() {
  if (!document.hidden) {
    const fresh = await drawnAnew('paiement');
    if (fresh && fresh.dataset.status !== 'STARTED') {
      document.getElementById('paiement').replaceWith(fresh);
      news.textContent = fresh.querySelector('h1').textContent;
      document.title = news.textContent + document.title.slice(document.title.indexOf(' – '));
      return;
    }
  }
  setTimeout(look, 1000 * waits[Math.min(turn++, waits.length - 1)]);
}
setTimeout(look, 1000);
