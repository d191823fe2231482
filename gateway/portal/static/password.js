// Passwords can be looked at while they are typed, and are hidden again before they are sent: browsers remember what is shown.
for (const button of document.querySelectorAll('[data-shows]')) {
  const field = document.getElementById(button.dataset.shows);
  const shown = (is) => {
    field.type = is ? 'text' : 'password';
    button.setAttribute('aria-pressed', is);
  };
  button.addEventListener('click', () => shown(field.type === 'password'));
  field.form.addEventListener('submit', () => shown(false));
}
