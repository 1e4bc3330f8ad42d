"""Does Python PEFT load the adapters that remora writes, silently and with the same answers?

    python bench/parity/peft-reads-ours.py          (from the repository's root; needs fixtures/make/requirements.txt and npm ci)

Every adapter under fixtures/data/adapters with expected logits is read by remora, written again by remora, and loaded by PEFT, whose
logits must equal the ones it had with its own file. A warning of PEFT's about missing or unexpected keys is a failure too.
"""

import subprocess
import sys
import tempfile
import warnings
from pathlib import Path

import peft
import torch
import transformers
from safetensors.torch import load_file

transformers.logging.disable_progress_bar()

ROOT = Path(__file__).resolve().parent.parent.parent
DATA = ROOT / "fixtures" / "data"
BASES = {"llama-all": "llama", "llama-patterns": "llama", "llama-some": "llama", "phi3-fused": "phi3"}


def main() -> None:
    failed = False
    for name, base in BASES.items():
        folder = DATA / "models" / base
        expected = load_file(DATA / "adapters" / name / "expected.safetensors")
        with tempfile.TemporaryDirectory() as ours:
            script = ["npx", "tsx", "bench/parity/rewrite-adapter.ts", str(folder), str(DATA / "adapters" / name), ours]
            subprocess.run(script, cwd=ROOT, check=True, stderr=subprocess.DEVNULL)
            model = transformers.AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32, attn_implementation="eager")
            with warnings.catch_warnings(record=True) as caught:
                warnings.simplefilter("always")
                model = peft.PeftModel.from_pretrained(model, ours).eval()
            said = [str(w.message)[:300] for w in caught if "key" in str(w.message)]
            with torch.no_grad():
                logits = model(input_ids=expected["input_ids"].long()[None], use_cache=False).logits[0]
        difference = (logits - expected["logits"]).abs().max().item()
        bad = difference > 1e-5 or bool(said)
        failed = failed or bad
        print(f"{name:16} largest difference of a logit {difference:.1e}{''.join('; PEFT says: ' + s for s in said)}{'  FAILED' if bad else ''}")
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
