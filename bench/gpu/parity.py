"""The reference of `bench/gpu/parity.ts`: a two-layer decoder of Mistral Nemo's shape, tuned by Transformers + PEFT on the same card.

    python bench/gpu/parity.py FOLDER [--tiny] [--modes f32,bf16,nf4-f32,nf4-bf16]

Writes FOLDER/base (random bf16 weights), FOLDER/init (a rank-16 adapter on seven linears whose A and B are both random, so that every gradient
is tested), FOLDER/batches.safetensors, and for each mode FOLDER/<mode>.safetensors (logits of some rows before training, every adapter gradient
of the first step) and the ten losses in FOLDER/expected.json. `nf4` quantizes with bitsandbytes, double quantization. `--tiny` is a tiny shape
on the CPU, which checks the pair of scripts where there is no card.
"""

import argparse
import json
import os
import time

import peft
import torch
import transformers
from safetensors.torch import save_file

parser = argparse.ArgumentParser()
parser.add_argument("folder")
parser.add_argument("--tiny", action="store_true")
parser.add_argument("--modes", default="f32,bf16,nf4-f32,nf4-bf16")
parser.add_argument("--rows", type=int, default=2)
parser.add_argument("--length", type=int, default=128)
arguments = parser.parse_args()

STEPS, RATE, RANK, ALPHA, CLIP = 10, 1e-3, 16, 32, 1.0
TARGETS = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]
device = "cpu" if arguments.tiny else "cuda"
shape = dict(hidden_size=5120, intermediate_size=14336, num_attention_heads=32, num_key_value_heads=8, head_dim=128, vocab_size=131072)
if arguments.tiny:
    shape = dict(hidden_size=128, intermediate_size=256, num_attention_heads=4, num_key_value_heads=2, head_dim=64, vocab_size=512)
config = transformers.MistralConfig(
    **shape, num_hidden_layers=2, max_position_embeddings=131072, rms_norm_eps=1e-5, rope_theta=1e6, sliding_window=None, tie_word_embeddings=False, dtype="bfloat16"
)
torch.backends.cuda.matmul.allow_tf32 = False
torch.set_float32_matmul_precision("highest")
os.makedirs(arguments.folder, exist_ok=True)
path = lambda name: os.path.join(arguments.folder, name)


def draw_base():
    torch.manual_seed(0)
    with torch.device("meta"):
        model = transformers.AutoModelForCausalLM.from_config(config, dtype=torch.bfloat16)
    os.makedirs(path("base"), exist_ok=True)
    tensors = {}
    for name, parameter in model.named_parameters():
        value = torch.empty(parameter.shape, dtype=torch.bfloat16, device=device)
        tensors[name] = (value.normal_(1, 0.05) if "norm" in name else value.normal_(0, 0.02)).cpu()
    save_file(tensors, path("base/model.safetensors"), metadata={"format": "pt"})
    config.architectures = ["MistralForCausalLM"]
    config.save_pretrained(path("base"))


def load(mode):
    dtype = torch.float32 if mode.endswith("f32") else torch.bfloat16
    model = transformers.AutoModelForCausalLM.from_pretrained(path("base"), dtype=dtype, attn_implementation="eager" if dtype == torch.float32 else "sdpa", device_map=device)
    if mode.startswith("nf4"):
        import bitsandbytes as bnb

        for module in model.model.layers.modules():
            for name, child in list(module.named_children()):
                if isinstance(child, torch.nn.Linear):
                    with torch.device("meta"):
                        linear = bnb.nn.Linear4bit(child.in_features, child.out_features, bias=False, compute_dtype=dtype, quant_type="nf4")
                    # From the file's own bf16 values, as every QLoRA run does.
                    weight = child.weight.data.to(torch.bfloat16).contiguous()
                    linear.weight = bnb.nn.Params4bit(weight, requires_grad=False, quant_type="nf4", compress_statistics=True, module=linear).to(device)
                    if linear.weight.quant_state.dtype != dtype:
                        linear.weight.quant_state.dtype = dtype  # decode straight to the compute dtype
                    setattr(module, name, linear)
        model.is_loaded_in_4bit = True
    return model


def adapted(mode):
    model = load(mode)
    if os.path.exists(path("init")):
        return peft.PeftModel.from_pretrained(model, path("init"), is_trainable=True).train()
    torch.manual_seed(1)
    model = peft.get_peft_model(model, peft.LoraConfig(r=RANK, lora_alpha=ALPHA, lora_dropout=0.0, target_modules=TARGETS, task_type="CAUSAL_LM"))
    for name, parameter in model.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(parameter, 0, 0.01)
    model.save_pretrained(path("init"))
    return model.train()


def run(mode, tokens):
    model = adapted(mode)
    trained = [(name, parameter) for name, parameter in model.named_parameters() if parameter.requires_grad]
    optimizer = torch.optim.AdamW([parameter for _, parameter in trained], lr=RATE, betas=(0.9, 0.999), eps=1e-8, weight_decay=0.0)
    rows = list(range(0, arguments.rows * arguments.length, max(1, arguments.rows * arguments.length // 32)))
    out, losses, norms = {}, [], []
    for step in range(STEPS):
        ids = tokens[step].to(device).long()
        logits = model(input_ids=ids).logits.float()
        flat = logits.reshape(-1, logits.shape[-1])
        if step == 0:
            out["logits"] = flat[rows].detach().cpu().contiguous()
        predicted, targets = logits[:, :-1].reshape(-1, logits.shape[-1]), ids[:, 1:].reshape(-1)
        loss = torch.nn.functional.cross_entropy(predicted, targets)
        loss.backward()
        if step == 0:
            for name, parameter in trained:
                key = name.replace("base_model.model.", "").replace(".default", "").replace(".weight", "")
                out[f"grad.{key}"] = parameter.grad.float().cpu().contiguous()
        norms.append(float(torch.nn.utils.clip_grad_norm_([parameter for _, parameter in trained], CLIP)))
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        losses.append(float(loss.detach()))
    save_file(out, path(f"{mode}.safetensors"))
    return dict(losses=losses, gradNorms=norms, rows=rows)


draw_base()
generator = torch.Generator().manual_seed(2)
# A small part of the vocabulary, so that ten steps learn something.
batches = torch.randint(0, min(64, shape["vocab_size"]), (STEPS, arguments.rows, arguments.length), generator=generator, dtype=torch.int32)
save_file({"tokens": batches}, path("batches.safetensors"))
expected = dict(learningRate=RATE, rank=RANK, alpha=ALPHA, clip=CLIP, rows=arguments.rows, length=arguments.length, modes={})
expected["versions"] = dict(torch=torch.__version__, transformers=transformers.__version__, peft=peft.__version__)
for mode in arguments.modes.split(","):
    started = time.perf_counter()
    try:
        if mode.startswith("nf4"):
            import bitsandbytes

            expected["versions"]["bitsandbytes"] = bitsandbytes.__version__
        expected["modes"][mode] = run(mode, batches)
    except Exception as error:  # said, never made up
        expected["modes"][mode] = dict(error=f"{type(error).__name__}: {error}"[:400])
    if device == "cuda":
        torch.cuda.empty_cache()
    print(mode, f"{time.perf_counter() - started:.1f} s", json.dumps(expected["modes"][mode])[:200], flush=True)
with open(path("expected.json"), "w") as file:
    json.dump(expected, file)
