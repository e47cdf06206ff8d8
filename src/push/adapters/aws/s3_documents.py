"""The XML documents of S3: errors and listings.

Attacks by XML need declarations, which are refused. expat is imported on demand, because both are rare.
"""

from __future__ import annotations

from typing import Any
from urllib.parse import unquote_plus

_Elements = list[tuple[tuple[str, ...], str]]


def read_error(document: bytes) -> dict[str, str]:
    """Return the fields of an `Error` document; empty for any other document."""
    try:
        elements = _read_elements(document)
    except ValueError:
        return {}
    fields = {path[1]: text for path, text in elements if len(path) == 2 and path[0] == "Error"}
    return {name: text for name, text in fields.items() if name not in {"RequestId", "HostId"}}


def read_listing(document: bytes) -> dict[str, Any]:
    """Return an answer to ListObjectsV2 in boto3's form; its keys must be URL-encoded.

    Raises:
        ValueError: it is not such an answer.

    """
    contents: list[dict[str, Any]] = []
    answer: dict[str, Any] = {"IsTruncated": False, "Contents": contents}
    for path, text in _read_elements(document):
        match path:
            case ("ListBucketResult", "IsTruncated"):
                answer["IsTruncated"] = text == "true"
            case ("ListBucketResult", "NextContinuationToken"):
                answer["NextContinuationToken"] = text
            case ("ListBucketResult", "Contents", "Key"):
                contents.append({"Key": unquote_plus(text)})
            case ("ListBucketResult", "Contents", "Size"):
                contents[-1]["Size"] = int(text)
    return answer


def _read_elements(document: bytes) -> _Elements:
    """Return the path of each element and its text, in the order in which the elements begin.

    Raises:
        ValueError: the document is not XML, or has a declaration.

    """
    from xml.parsers import expat

    path: list[str] = []
    elements: list[tuple[tuple[str, ...], list[str]]] = []
    open_elements: list[list[str]] = []

    def start(name: str, _attributes: object) -> None:
        path.append(name)
        open_elements.append([])
        elements.append((tuple(path), open_elements[-1]))

    def end(_name: str) -> None:
        path.pop()
        open_elements.pop()

    def refuse(*_declaration: object) -> None:
        raise ValueError("Documents of S3 contain no declarations.")

    parser = expat.ParserCreate()
    parser.StartElementHandler, parser.EndElementHandler = start, end
    parser.CharacterDataHandler = lambda text: open_elements[-1].append(text)
    parser.StartDoctypeDeclHandler = refuse
    try:
        parser.Parse(document, True)  # noqa: FBT003 - takes no keywords
    except expat.ExpatError as exc:
        raise ValueError(f"The document is not XML: {exc}") from exc
    return [(path, "".join(text)) for path, text in elements]
