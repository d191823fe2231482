// A file that is chosen stands in the form's text, where it can be read and put right: <input type="file" data-into="id" data-most="kB" data-no="...">.
async function textOf(file) {
  const bytes = await file.arrayBuffer();
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch {
    return new TextDecoder('windows-1252').decode(bytes);  // As spreadsheets in France write them.
  }
}

for (const input of document.querySelectorAll('input[type=file][data-into]')) {
  const into = document.getElementById(input.dataset.into), status = document.getElementById(`${input.id}-erreur`);
  input.addEventListener('change', async () => {
    const [file] = input.files, large = file && file.size > input.dataset.most * 1000;
    status.textContent = large ? input.dataset.no : '';
    if (file && !large) into.value = await textOf(file);
  });
}
