"""Writes test/golden/paired-seeds.json: differences paired over seeds, with the intervals that SciPy gives them.

Run from the repository root: python3 reference/make_paired_golden.py   (NumPy and SciPy; versions are in the file)

scipy.stats.ttest_rel's confidence interval for two arms; for a difference of differences ttest_1samp's, of the sums.
"""

import json

import numpy as np
import scipy
from scipy import stats

random = np.random.default_rng(11)
cases = []
for seeds in (2, 3, 5, 10):
    arms = {
        name: np.round(mean + random.normal(0, 0.01, seeds) + 0, 6)
        for name, mean in (("a", 2.1), ("b", 2.06), ("c", 1.95), ("d", 1.94))
    }
    interval = stats.ttest_rel(arms["b"], arms["a"]).confidence_interval(0.95)
    cases.append(
        {
            "arms": {name: values.tolist() for name, values in arms.items()},
            "difference": {"b": 1, "a": -1},
            "low": interval.low,
            "high": interval.high,
        }
    )
    sums = arms["d"] - arms["c"] - (arms["b"] - arms["a"])
    interval = stats.ttest_1samp(sums, 0).confidence_interval(0.95)
    cases.append(
        {
            "arms": {name: values.tolist() for name, values in arms.items()},
            "difference": {"d": 1, "c": -1, "b": -1, "a": 1},
            "low": interval.low,
            "high": interval.high,
        }
    )
with open("test/golden/paired-seeds.json", "w") as file:
    json.dump({"numpy": np.__version__, "scipy": scipy.__version__, "cases": cases}, file)
    file.write("\n")
