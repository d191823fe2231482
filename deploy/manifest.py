"""Lists a client's documents, so that the gateway may trust them: `preau manifest FOLDER FILE`."""

from pathlib import Path

from deploy.trouble import Trouble
from gateway.documents import Documents
from gateway.supergraph import Supergraph
from gateway.trouble import RequestError
from gateway.trusted import Listed, manifest_of


def manifest(folder: Path) -> str:
    """Each document as it stands in its file: a client may take its hash from there. Raises Trouble, which says all that is wrong."""
    documents, listed, wrong = Documents(Supergraph.committed()), [], []
    for file in sorted(folder.rglob("*.graphql")):
        text = file.read_text(encoding="utf-8")
        try:
            operation = documents.operation(text, None)
        except RequestError as error:
            wrong += [f"{file}: {each['message']}" for each in error.errors]
        else:
            listed.append(Listed(operation.name or file.stem, operation.kind, text))
    if wrong or not listed:
        raise Trouble("\n".join(wrong) or f"{folder} has no *.graphql files")
    return manifest_of(listed).decode()
