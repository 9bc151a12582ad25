"""Small HTTP requests, and the instance metadata (IMDSv2) by them. Standard library only, to stay small."""

import http.client
from urllib.parse import urlsplit

TIMEOUT = 2.0  # seconds
TOKEN_SECONDS = 21600  # the longest that IMDSv2 gives


class UnavailableError(Exception):
    """Who was asked does not answer, or not as it should."""


def request(
    url: str, method: str, path: str, headers: dict[str, str], *, body: str | None = None, timeout: float = TIMEOUT
) -> tuple[int, str]:
    """Return status and body of the answer; `timeout` is in seconds. Raises UnavailableError."""
    parts = urlsplit(url)
    kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
    connection = kind(parts.netloc, timeout=timeout)
    try:
        connection.request(method, path, body, headers)
        answer = connection.getresponse()
        return answer.status, answer.read().decode(errors="replace").strip()
    except (OSError, http.client.HTTPException) as error:
        raise UnavailableError(f"{url} does not answer: {error}") from None
    finally:
        connection.close()


class Metadata:
    """IMDSv2 at `url`."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._token: str | None = None

    def get(self, path: str) -> str | None:
        """Return a document below meta-data, None where there is none. Raises UnavailableError."""
        if self._token is None:
            self._token = self._new_token()
        status, body = self._document(path, self._token)
        if status == http.client.UNAUTHORIZED:  # the token has ended
            self._token = self._new_token()
            status, body = self._document(path, self._token)
        if status == http.client.NOT_FOUND:
            return None
        if status != http.client.OK:
            raise UnavailableError(f"{self._url} answers {status} for {path}")
        return body

    def need(self, path: str) -> str:
        """Return a document that has to be there. Raises UnavailableError."""
        document = self.get(path)
        if document is None:
            raise UnavailableError(f"{self._url} has no {path}")
        return document

    def _document(self, path: str, token: str) -> tuple[int, str]:
        return request(self._url, "GET", f"/latest/meta-data/{path}", {"X-aws-ec2-metadata-token": token})

    def _new_token(self) -> str:
        lifetime = {"X-aws-ec2-metadata-token-ttl-seconds": str(TOKEN_SECONDS)}
        status, body = request(self._url, "PUT", "/latest/api/token", lifetime)
        if status != http.client.OK:
            raise UnavailableError(f"{self._url} answers {status} instead of a token")
        return body
