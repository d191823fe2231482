// What is shown of requests and waiting places, kept up to date while somebody looks.
import { listen } from './live.js'

const said = document.getElementById('dit')

for (const button of document.querySelectorAll('[data-print]')) button.addEventListener('click', () => print())

/** The page's part of that id, as the server draws it now; the focus stays where it was. Says `words` if it is not what it was. */
async function redraw(id, words) {
  const answer = await fetch(location.href, { headers: { accept: 'text/html' } })
  if (!answer.ok || answer.redirected) return
  const fresh = new DOMParser().parseFromString(await answer.text(), 'text/html').getElementById(id)
  const old = document.getElementById(id)
  if (!fresh || !old || fresh.textContent === old.textContent) return
  const held = old.contains(document.activeElement) ? document.activeElement : null
  if (held?.matches('input:checked')) return
  old.replaceWith(document.adoptNode(fresh))
  const again = held && (document.getElementById(held.id) || [...fresh.querySelectorAll('a, button')].find(each => each.textContent === held.textContent))
  again?.focus()
  said.textContent = words
}

/** Runs `start` while the page is to be seen; it returns what stops it. */
function whileSeen(start) {
  let stop = null
  const look = () => {
    if (document.hidden) { stop?.(); stop = null }
    else stop ??= start()
  }
  document.addEventListener('visibilitychange', look)
  look()
}

const outcome = document.querySelector('[data-suivre]')
if (outcome) listen(outcome.dataset.suivre, () => redraw('resultat', outcome.dataset.dit).catch(() => {}))

const list = document.querySelector('[data-bouge]')
if (list) {
  whileSeen(() => {
    const timer = setInterval(() => redraw('liste', list.dataset.dit).catch(() => {}), list.dataset.bouge * 1000)
    return () => clearInterval(timer)
  })
}
