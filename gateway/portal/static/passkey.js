// Asks the device for a new passkey, and sends what it gives by the form.
import { decode, encode } from './base64url.js';

const form = document.getElementById('cle-form'), create = document.getElementById('cle-creer'), failed = document.getElementById('cle-rate');
/** PublicKeyCredential's JSON forms, for browsers that do not have them. */
const parse = options => PublicKeyCredential.parseCreationOptionsFromJSON?.(options) ?? {
  ...options, challenge: decode(options.challenge), user: { ...options.user, id: decode(options.user.id) },
  excludeCredentials: (options.excludeCredentials ?? []).map(each => ({ ...each, id: decode(each.id) })),
};
const written = key => key.toJSON?.() ?? {
  id: key.id, rawId: encode(key.rawId), type: key.type, authenticatorAttachment: key.authenticatorAttachment,
  clientExtensionResults: key.getClientExtensionResults(),
  response: {
    attestationObject: encode(key.response.attestationObject), clientDataJSON: encode(key.response.clientDataJSON),
    transports: key.response.getTransports?.() ?? [],
  },
};

if (window.PublicKeyCredential) {
  document.getElementById('cle-non').hidden = true;
  create.hidden = false;
  const options = JSON.parse(document.getElementById('cle-options').dataset.options);
  create.addEventListener('click', async () => {
    failed.hidden = true;
    try {
      const key = await navigator.credentials.create({ publicKey: parse(options.publicKey ?? options) });
      form.elements.reponse.value = JSON.stringify(written(key));
      form.submit();
    } catch { failed.hidden = false; }
  });
}
