"""Text that came from the system, as text that every encoder takes."""


def encodable(text: str) -> str:
    """`text` with what is not UTF-8 in it replaced: Python keeps such bytes of file names and
    variables as halves of surrogate pairs, which neither JSON nor Redis can carry."""
    return text if text.isascii() else text.encode("utf-8", "replace").decode()
