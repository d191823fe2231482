// Balances that follow the family's money, under the calculation that the page shows.
import { drawnAnew, listen } from './live.js';

const news = document.getElementById('nouvelles');
let shown = document.getElementById('chiffres'), isFirst = true;

listen('/direct/solde', async told => {
  const known = Number(shown.dataset.posted);
  if (isFirst) { isFirst = false; if (told.balanceChanged.balanceCents === known) return; }
  const fresh = await drawnAnew('chiffres');
  if (!fresh || fresh.textContent === shown.textContent) return;
  shown.replaceWith(fresh); shown = fresh;
  news.textContent = news.dataset.new;
});
