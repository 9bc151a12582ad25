"""Write scikit-learn's irises as a table with a header. usage: irises.py FILE"""

import csv
import sys
from pathlib import Path

from sklearn.datasets import load_iris

iris = load_iris()
with Path(sys.argv[1]).open("w", newline="") as file:
    table = csv.writer(file)
    table.writerow([*(name.removesuffix(" (cm)").replace(" ", "_") for name in iris.feature_names), "species"])
    for row, species in zip(iris.data, iris.target, strict=True):
        table.writerow([*row, iris.target_names[species]])
