"""Oxford-IIIT Pet (Parkhi et al., 2012): 37 breeds of cats and dogs, some 200 photos of each, CC BY-SA 4.0."""

from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from bundle.preprocessing import Preprocessing
from training.data.items import DataError, Found
from training.data.photos import Say, examined
from training.vision import datasets

# What torchvision calls the directory that holds `images` and `annotations`.
_NAME = "oxford-iiit-pet"


def read(path: Path, download: bool, preprocessing: Preprocessing, cache: Path, say: Say) -> Found:
    """Read the photos as torchvision lists them; its test part is the test split.

    Args:
        path: directory that holds `images` and `annotations`, or will.
        download: fetch what is missing (some 800 MB).

    Raises:
        DataError
    """
    if download:
        path.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory() as root:
        # torchvision insists on the name; the directory may have any.
        (Path(root) / _NAME).symlink_to(path.resolve())
        try:
            parts = [datasets.OxfordIIITPet(root, split, download=download) for split in ("trainval", "test")]
        except (RuntimeError, OSError, ValueError) as error:
            raise DataError(
                f"{path} does not hold Oxford-IIIT Pet (images/ and annotations/ with trainval.txt and test.txt): {error}. "
                "Set data.download, or name a directory that holds it with --data"
            ) from None
    trainval, test = parts
    if trainval.classes != test.classes:
        raise DataError(f"{path}: trainval.txt and test.txt do not list the same breeds")
    # torchvision opens photos itself, and not as the service does; only its lists are used.
    names = [photo.name for part in parts for photo in part._images]
    labels = [label for part in parts for label in part._labels]
    if sorted(set(labels)) != list(range(len(trainval.classes))):
        raise DataError(f"{path}: the numbers of the breeds in trainval.txt and test.txt have gaps")
    own_test = np.arange(len(names)) >= len(trainval)
    files = [path / "images" / name for name in names]
    return examined(
        files, labels, names, trainval.classes, preprocessing=preprocessing, cache=cache, say=say, own_test=own_test
    )
