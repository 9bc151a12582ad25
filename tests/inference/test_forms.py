"""Forms: what clients send is found, to the byte, and anything else is refused."""

import pytest

from inference.errors import BadRequestError
from inference.forms import boundary_of, form_field
from tests.bundles import CAT
from tests.inference.servers import Running, multipart

NAMES = ("file", "image")


def form(*parts: tuple[str, bytes], preamble: bytes = b"", end: bytes = b"--edge--\r\n") -> bytes:
    body = [f"--edge\r\nContent-Disposition: form-data; {name}\r\n\r\n".encode() + value + b"\r\n" for name, value in parts]
    return preamble + b"".join(body) + end


FILE = ('name="file"; filename="a.jpg"', b"bytes")
FORMS = {
    "file": form(FILE),
    "value": form(('name="image"', b"bytes")),
    "type-and-no-line-end": form(('name="file"; filename="a.jpg"\r\nContent-Type: image/jpeg', b"bytes"), end=b"--edge--"),
    "epilogue": form(("name=file; filename*=UTF-8''caf%C3%A9.jpg", b"bytes"), end=b"--edge--\r\nepilogue"),
    # RFC 2046, section 5.1.1
    "empty-line": form(FILE, preamble=b"\r\n"),
    "two-empty-lines": form(FILE, preamble=b"\r\n\r\n"),
    "preamble": form(FILE, preamble=b"This is a message in MIME format.\r\n"),
    "preamble-and-empty-line": form(FILE, preamble=b"This is a message --edge in MIME format.\r\n\r\n"),
    "white-space-behind-delimiters": form(FILE, end=b"--edge-- \t\r\n").replace(b"--edge\r\n", b"--edge \t\r\n"),
    "another-form-in-the-epilogue": form(FILE) + form(FILE),
    # RFC 5322, section 2.2.3; field names in any case, and disposition types
    "folded-header": form(('name="file";\r\n filename="a.jpg"', b"bytes")),
    "other-case": form(FILE).replace(b"Content-Disposition: form-data; name", b"content-DISPOSITION:Form-Data ;NAME"),
    # File names
    "quotes-and-semicolons": form((r'name="file"; filename="my \"best\" cat; really.jpg"', b"bytes")),
    "quotes-as-they-are": form(('name="file"; filename="my "best" cat; really.jpg"', b"bytes")),
    "windows-path": form((r'filename="C:\me\\"; name="file"', b"bytes")),
    "path-that-ends-in-a-backslash": form(('filename="C:\\"; name="file"', b"bytes")),
    **{
        f"file-name-in-{encoding}": form(('filename="@"; name="file"', b"bytes")).replace(b"@", name.encode(encoding))
        for encoding, name in {
            "utf-8": "Kätzchen 猫 \N{CAT FACE}",
            "windows-1252": "Kätzchen",
            "gbk": "小猫",
            "shift-jis": "ソ",  # its last byte is a backslash
            "utf-16": "é",
        }.items()
    },
}


@pytest.mark.parametrize("body", FORMS.values(), ids=FORMS)
def test_the_one_field_of_a_form_is_found(body: bytes) -> None:
    assert form_field(body, b"edge", NAMES) == b"bytes"


@pytest.mark.parametrize("content", [b"", b"\r\n", b"\r\n\r\n--edg\r\n--\r\n", b"--edge", bytes(range(256)) * 9])
def test_the_content_of_a_form_is_kept_to_the_byte(content: bytes) -> None:
    assert form_field(form(('name="file"; filename="a"', content)), b"edge", NAMES) == content


@pytest.mark.parametrize(
    ("body", "boundary"),
    [
        (b"", b"edge"),
        (b"--edge", b"edge"),
        (b"--edge\r\n", b"edge"),
        (b"--edge--\r\n", b"edge"),
        (b"\r\n\r\n\r\n--edge--", b"edge"),
        (form(('name="file"', b"x"), end=b""), b"edge"),
        (form(('name="photo"', b"x")), b"edge"),
        (form(('filename="a"', b"x")), b"edge"),
        (form(('name="file"; name="image"', b"x")), b"edge"),
        (form(('name="file"', b"x"), ('name="image"', b"y")), b"edge"),
        (form(('name="file"', b"x"), ('name="file"', b"y")), b"edge"),
        (form(('name="file"', b"x"), ('name="note"', b"y")), b"edge"),
        (form(*[('name="file"', b"x")] * 10_000), b"edge"),
        (form(('name="file"\r\nX: ' + "y" * 10_000, b"x")), b"edge"),
        (form(('name="file"', b"x"), preamble=b"y" * 10_000 + b"\r\n"), b"edge"),
        (form(('name="file"', b"x"), preamble=b"preamble"), b"edge"),
        (form(('name="file"', b"x")).replace(b"--edge\r", b"--edge x\r"), b"edge"),
        (form(('name="file"', b"x")).replace(b"form-data", b"attachment"), b"edge"),
        (b'--edge\r\nContent-Disposition: form-data; name="\xff"\r\n\r\nx\r\n--edge--\r\n', b"edge"),
        (b"--edge\r\n\r\nx\r\n--edge--\r\n", b"edge"),
        (b'--edge\r\nContent-Disposition: form-data; name="file"\r\n\r\n--edge--\r\n', b"edge"),
        (form(('name="file"', b"x")), b""),
        (form(('name="file"', b"x")), b"e" * 71),
    ],
)
def test_any_other_form_is_refused(body: bytes, boundary: bytes) -> None:
    with pytest.raises(BadRequestError):
        form_field(body, boundary, NAMES)


@pytest.mark.parametrize(
    ("content_type", "boundary"),
    [
        ("multipart/form-data; boundary=edge", b"edge"),
        ('multipart/form-data; charset=utf-8; Boundary="an edge"; x=y', b"an edge"),
        ("multipart/form-data;boundary = edge ;x", b"edge"),
        ("multipart/form-data; boundary=é", b"\xe9"),
        ("multipart/form-data", b""),
        ("multipart/form-data; boundary=", b""),
    ],
)
def test_the_boundary_of_a_content_type(content_type: str, boundary: bytes) -> None:
    assert boundary_of(content_type) == boundary


@pytest.mark.parametrize("name", ["empty-line", "preamble", "file-name-in-windows-1252"])
def test_a_photo_in_such_a_form_is_answered(server: Running, name: str) -> None:
    expected = server.predict(*multipart("file", CAT.read_bytes())).document["predictions"]
    body = FORMS[name].replace(b"bytes", CAT.read_bytes())
    assert server.predict(body, 'multipart/form-data; boundary="edge"').document["predictions"] == expected
