// A form that a passkey fills in: <form data-passkey data-options="{...}" data-no="what to say if it does not work">. What the device answers is
// sent as the field `reponse`. `data-at-once`: begins without a click.
import { decode, encode } from './base64url.js';

const parsed = (options) => ({
  ...options,
  challenge: decode(options.challenge),
  allowCredentials: (options.allowCredentials ?? []).map((each) => ({ ...each, id: decode(each.id) })),
});

function written(key) {
  const response = {};
  for (const name of ['clientDataJSON', 'authenticatorData', 'signature', 'userHandle']) {
    if (key.response[name]) response[name] = encode(key.response[name]);
  }
  return JSON.stringify({ id: key.id, rawId: encode(key.rawId), type: key.type, clientExtensionResults: {}, response });
}

for (const form of document.querySelectorAll('form[data-passkey]')) {
  const { options, no } = form.dataset;
  const status = form.querySelector('[role=status]');
  const begin = async () => {
    status.textContent = '';
    try {
      form.elements.reponse.value = written(await navigator.credentials.get({ publicKey: parsed(JSON.parse(options)) }));
      form.submit();
    } catch {
      status.textContent = no;
    }
  };
  form.addEventListener('submit', (event) => {
    event.preventDefault();
    begin();
  });
  if ('atOnce' in form.dataset) begin();
}
