"""Peer of the GPU benchmark: Transformers + PEFT LoRA on the Mistral Nemo 12B shape, random bf16 weights, rank 16 on seven linears.

    python bench/peers/peft-gpu.py [--base bf16|nf4] [--checkpointing] [--batch 4] [--length 2048] [--steps 4]
    python bench/peers/peft-gpu.py --decode 64 [--base bf16|nf4]       greedy answer of one row after a prompt of 128 tokens

One setting a process. Forward, backward and AdamW of a batch of random tokens, all of them trained, SDPA attention. Prints one JSON line:
tokens/s (median), seconds a step, peak of allocated memory, versions. Weights are drawn on the card, matrix by matrix, and with `nf4` quantized
there before the next is drawn, so the process starts in seconds. `nf4` needs bitsandbytes; without it the line says so.
"""

import argparse
import json
import statistics
import time

import torch
import transformers

parser = argparse.ArgumentParser()
parser.add_argument("--base", choices=["bf16", "nf4"], default="bf16")
parser.add_argument("--checkpointing", action="store_true")
parser.add_argument("--batch", type=int, default=4)
parser.add_argument("--length", type=int, default=2048)
parser.add_argument("--steps", type=int, default=4)
parser.add_argument("--layers", type=int, default=40)
parser.add_argument("--tiny", action="store_true", help="a tiny shape on the CPU: checks this script where there is no card")
parser.add_argument("--decode", type=int, default=0, help="time a greedy answer of this many tokens instead of training")
arguments = parser.parse_args()

import peft  # noqa: E402

config = transformers.MistralConfig(
    vocab_size=131072,
    hidden_size=5120,
    intermediate_size=14336,
    num_hidden_layers=arguments.layers,
    num_attention_heads=32,
    num_key_value_heads=8,
    head_dim=128,
    max_position_embeddings=131072,
    rms_norm_eps=1e-5,
    rope_theta=1e6,
    sliding_window=None,
    tie_word_embeddings=False,
)
device = "cpu" if arguments.tiny else "cuda"
if arguments.tiny:
    config.update(dict(vocab_size=512, hidden_size=128, intermediate_size=256, num_attention_heads=4, num_key_value_heads=2, head_dim=32, num_hidden_layers=2))
settings = dict(what="Transformers + PEFT, Nemo 12B shape", **vars(arguments), torch=torch.__version__, transformers=transformers.__version__, peft=peft.__version__)


def synchronize():
    if device == "cuda":
        torch.cuda.synchronize()


def reset_peak():
    if device == "cuda":
        torch.cuda.reset_peak_memory_stats()


def build():
    torch.manual_seed(0)
    torch.set_default_dtype(torch.bfloat16)
    with torch.device("meta"):
        model = transformers.AutoModelForCausalLM.from_config(config, attn_implementation="sdpa")
    if arguments.base == "nf4":
        import bitsandbytes as bnb

        for module in model.model.layers.modules():
            for name, child in list(module.named_children()):
                if isinstance(child, torch.nn.Linear):
                    weight = torch.empty(child.out_features, child.in_features, dtype=torch.bfloat16, device=device).normal_(0, 0.02)
                    with torch.device("meta"):
                        linear = bnb.nn.Linear4bit(child.in_features, child.out_features, bias=False, compute_dtype=torch.bfloat16, quant_type="nf4")
                    # Quantizes on the card as soon as it is "moved" there; the dense copy is freed with `weight`.
                    linear.weight = bnb.nn.Params4bit(weight, requires_grad=False, quant_type="nf4", compress_statistics=True, module=linear).to(device)
                    del weight
                    setattr(module, name, linear)
        model.is_loaded_in_4bit = True  # PEFT looks at this to choose its bitsandbytes layer
    for module in model.modules():
        for name, parameter in list(module.named_parameters(recurse=False)):
            if parameter.is_meta:
                fresh = torch.empty(parameter.shape, dtype=torch.bfloat16, device=device).normal_(0, 0.02)
                setattr(module, name, torch.nn.Parameter(fresh, requires_grad=False))
    # Buffers on meta hold no data: rotary frequencies are made again from the config.
    model.model.rotary_emb = type(model.model.rotary_emb)(config, device=device)
    if arguments.decode:
        return model.eval()
    lora = peft.LoraConfig(
        r=16,
        lora_alpha=16,
        lora_dropout=0.0,
        target_modules=["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"],
        task_type="CAUSAL_LM",
    )
    model = peft.get_peft_model(model, lora)
    if arguments.checkpointing:
        model.gradient_checkpointing_enable(gradient_checkpointing_kwargs={"use_reentrant": False})
        model.enable_input_require_grads()
    return model.train()


def train(model):
    optimizer = torch.optim.AdamW([p for p in model.parameters() if p.requires_grad], lr=1e-4, fused=True)
    tokens = torch.randint(0, config.vocab_size, (arguments.batch, arguments.length), device=device)
    reset_peak()
    seconds = []
    for step in range(arguments.steps + 1):
        synchronize()
        started = time.perf_counter()
        loss = model(input_ids=tokens, labels=tokens).loss
        loss.backward()
        torch.nn.utils.clip_grad_norm_([p for p in model.parameters() if p.requires_grad], 1.0)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        synchronize()
        if step > 0:
            seconds.append(time.perf_counter() - started)
    median = statistics.median(seconds)
    return dict(tokensPerSecond=arguments.batch * arguments.length / median, stepSeconds=median, stepsSeconds=seconds, loss=float(loss.detach()))


@torch.inference_mode()
def decode(model):
    prompt = torch.randint(0, config.vocab_size, (1, 128), device=device)
    settings = dict(attention_mask=torch.ones_like(prompt), do_sample=False, use_cache=True, eos_token_id=None, pad_token_id=0)

    def answer(tokens):
        synchronize()
        started = time.perf_counter()
        model.generate(prompt, min_new_tokens=tokens, max_new_tokens=tokens, **settings)
        synchronize()
        return time.perf_counter() - started

    answer(8)
    reset_peak()
    # The difference leaves the prompt out.
    seconds = answer(arguments.decode + 1) - answer(1)
    return dict(tokensPerSecond=arguments.decode / seconds, stepSeconds=seconds / arguments.decode)


try:
    started = time.perf_counter()
    model = build()
    synchronize()
    built = time.perf_counter() - started
    result = decode(model) if arguments.decode else train(model)
    result = dict(buildSeconds=built, peakBytes=torch.cuda.max_memory_allocated() if device == "cuda" else 0, card=torch.cuda.get_device_name() if device == "cuda" else "cpu", **result)
    if arguments.base == "nf4":
        import bitsandbytes

        result["bitsandbytes"] = bitsandbytes.__version__
except Exception as error:  # a peer that cannot run is reported as such, never estimated
    result = dict(error=f"{type(error).__name__}: {error}"[:400])
print(json.dumps({**settings, **result}), flush=True)
