"""What moec wrote for a fixture against what the original implementation
recorded.

compare.py ids EXPECTED SEQUENCE: prints the token ids of one sequence.
compare.py values EXPECTED SEQUENCE LOGITS EXPERTS: prints the relative error of
the logits, and how many tokens have other experts in some layer."""

import re
import sys

import numpy as np
from safetensors.numpy import load_file

what, sequence = sys.argv[1], int(sys.argv[3])
expected = load_file(sys.argv[2])
if what == "ids":
    print(*expected["input_ids"][sequence])
    sys.exit()

logits = load_file(sys.argv[4])["logits"]
experts = load_file(sys.argv[5])["experts"]
wanted = expected["logits"][sequence]
assert logits.dtype == np.float32 and logits.shape == wanted.shape
error = np.linalg.norm(logits - wanted) / np.linalg.norm(wanted)
names = [name for name in expected if re.fullmatch(r"router\..*\.2", name)]
names.sort(key=lambda name: int(re.search(r"layers\.(\d+)\.", name)[1]))
length = len(wanted)
routes = np.stack(
    [expected[name][sequence * length : (sequence + 1) * length] for name in names]
)
assert experts.dtype == np.int32 and experts.shape == routes.shape
differ = (np.sort(experts) != np.sort(routes)).any(axis=(0, 2)).sum()
print("logits agree" if error <= 2e-5 else f"logits differ by {error}")
print(f"{differ} tokens with other experts")
