"""alibi-detect's MMD drift over two files of vectors, once, on one thread; started by bench_mmd.py."""

from __future__ import annotations

import json
import resource
import sys
import time
import warnings
from importlib.metadata import version

warnings.simplefilter("ignore")
path, permutations = sys.argv[1], int(sys.argv[2])

import numpy as np  # noqa: E402
import torch  # noqa: E402
from alibi_detect.cd import MMDDrift  # noqa: E402

torch.set_num_threads(1)
told = np.load(path)
x, y, sigma = told["x"], told["y"], np.array([np.sqrt(told["bandwidth"] / 2.0)], dtype=np.float32)
MMDDrift(x[:50], backend="pytorch", sigma=sigma, n_permutations=2, device="cpu").predict(y[:50])
torch.manual_seed(0)
cpu, wall = time.process_time(), time.perf_counter()
detector = MMDDrift(x, backend="pytorch", sigma=sigma, n_permutations=permutations, device="cpu")
found = detector.predict(y)["data"]
cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
told_of_it = {"mmd": float(found["distance"]), "p": float(found["p_val"]), "cpu_s": cpu, "wall_s": wall}
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024.0
print(json.dumps({**told_of_it, "peak_mb": peak, "version": version("alibi-detect")}))
