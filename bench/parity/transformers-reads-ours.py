"""Transformers and PEFT read what `remora merge` wrote: the 16-bit folder, the NF4 folder (through bitsandbytes) and the merged adapter.

    npx remora merge --adapter run/adapter --format 16bit --out saved-16bit
    npx remora merge --adapter run/adapter --format nf4 --out saved-nf4
    python bench/parity/transformers-reads-ours.py BASE run/adapter saved-16bit saved-nf4 [THREADS]

Prints, as JSON: the largest difference of the 16-bit folder's logits from base + adapter merged by PEFT; whether NF4 codes and scales equal what
bitsandbytes makes of the 16-bit folder, nested scales given our offset, and the offset within one unit of the last place; the largest difference of the NF4 folder's logits from the same weights decoded by bitsandbytes.

The offset is a mean in f32 that bitsandbytes leaves to torch: in matrices of 2 million weights and more its last bits depend on torch's number of
threads. THREADS is the number that `remora merge --threads` was given, by default the number of cores for both.
"""
import json
import sys

import bitsandbytes
import bitsandbytes.functional as bnb
import peft
import torch
import transformers
from peft import PeftModel
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM, AutoTokenizer

base_path, adapter_path, dense_path, nf4_path = sys.argv[1:5]
if len(sys.argv) > 5:
    torch.set_num_threads(int(sys.argv[5]))
ids = AutoTokenizer.from_pretrained(dense_path)("The remora attaches itself to larger fish. コバンザメは魚です。", return_tensors="pt").input_ids


def logits(model):
    with torch.no_grad():
        return model.float().eval()(ids).logits


report = {"transformers": transformers.__version__, "peft": peft.__version__, "bitsandbytes": bitsandbytes.__version__, "tokens": ids.shape[1]}
merged = PeftModel.from_pretrained(AutoModelForCausalLM.from_pretrained(base_path, dtype=torch.float32), adapter_path).merge_and_unload()
ours = AutoModelForCausalLM.from_pretrained(dense_path, dtype=torch.float32)
a, b = logits(merged), logits(ours)
report["16bit"] = {"largest difference": (a - b).abs().max().item(), "largest logit": a.abs().max().item(), "same first choice": (a.argmax(-1) == b.argmax(-1)).float().mean().item()}

dense, packed = load_file(f"{dense_path}/model.safetensors"), load_file(f"{nf4_path}/model.safetensors")
codes = scales = nested = offsets = equal_offsets = tensors = 0
for name in [n[: -len(".quant_map")] for n in packed if n.endswith(".quant_map") and "nested" not in n]:
    weight, state = bnb.quantize_4bit(dense[name].contiguous(), blocksize=64, compress_statistics=True, quant_type="nf4")
    _, plain = bnb.quantize_4bit(dense[name].contiguous(), blocksize=64, compress_statistics=False, quant_type="nf4")
    blob = json.loads(bytes(packed[f"{name}.quant_state.bitsandbytes__nf4"].tolist()))
    offset, theirs = torch.tensor(blob["nested_offset"], dtype=torch.float32), state.offset.cpu()
    # Their second quantization, centred on our offset.
    _, second = bnb.quantize_blockwise(plain.absmax - offset, blocksize=256)
    tensors += 1
    codes += int(torch.equal(weight.flatten(), packed[name].flatten()))
    nested += int(torch.equal(second.absmax, packed[f"{name}.nested_absmax"]))
    scales += int((state.absmax != packed[f"{name}.absmax"]).float().mean().item() < 0.01)
    equal_offsets += int(offset == theirs)
    offsets += int(offset == theirs or offset == torch.nextafter(theirs, offset))
report["nf4"] = {"tensors": tensors, "codes equal": codes, "nested absmax equal, given the offset": nested, "scale codes 99% equal": scales,
                 "offset within 1 unit": offsets, "offset equal": equal_offsets, "threads": torch.get_num_threads()}

model = AutoModelForCausalLM.from_pretrained(nf4_path, dtype=torch.float32)
report["nf4"]["module"] = type(next(m for n, m in model.named_modules() if n.endswith("down_proj"))).__name__
with torch.no_grad():
    c = model.eval()(ids).logits.float()
report["nf4"]["same first choice as 16 bits"] = (c.argmax(-1) == b.argmax(-1)).float().mean().item()
answer = model.generate(ids, max_new_tokens=4, do_sample=False)
report["nf4"]["generates"] = int(answer.shape[1] - ids.shape[1])
print(json.dumps(report, indent=1))
