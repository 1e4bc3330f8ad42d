"""Peer of the GPU benchmark: Transformers + PEFT LoRA on the Mistral Nemo 12B shape, random bf16 weights, rank 16 on seven linears.

    python bench/peers/peft-gpu.py [--base bf16|nf4] [--checkpointing] [--batch 4] [--length 2048] [--steps 4]

One setting a process. Forward, backward and AdamW of a batch of random tokens, all of them trained, SDPA attention. Prints one JSON line:
tokens/s (median), seconds a step, peak of allocated memory, versions. `nf4` needs bitsandbytes; without it the line says so.
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
settings = dict(what="Transformers + PEFT, Nemo 12B shape", **vars(arguments), torch=torch.__version__, transformers=transformers.__version__, peft=peft.__version__)


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
                    weight = torch.randn(child.out_features, child.in_features, dtype=torch.bfloat16) * 0.02
                    linear = bnb.nn.Linear4bit(child.in_features, child.out_features, bias=False, compute_dtype=torch.bfloat16, quant_type="nf4", compress_statistics=True)
                    linear.weight = bnb.nn.Params4bit(weight, requires_grad=False, quant_type="nf4", compress_statistics=True)
                    setattr(module, name, linear.cuda())
    for module in model.modules():
        for name, parameter in list(module.named_parameters(recurse=False)):
            if parameter.is_meta:
                fresh = torch.empty(parameter.shape, dtype=torch.bfloat16, device="cuda").normal_(0, 0.02)
                setattr(module, name, torch.nn.Parameter(fresh, requires_grad=False))
    # Buffers on meta hold no data: rotary frequencies are made again from the config.
    model.model.rotary_emb = type(model.model.rotary_emb)(config, device="cuda")
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


try:
    model = build()
    optimizer = torch.optim.AdamW([p for p in model.parameters() if p.requires_grad], lr=1e-4, fused=True)
    tokens = torch.randint(0, config.vocab_size, (arguments.batch, arguments.length), device="cuda")
    torch.cuda.reset_peak_memory_stats()
    seconds = []
    for step in range(arguments.steps + 1):
        torch.cuda.synchronize()
        started = time.perf_counter()
        loss = model(input_ids=tokens, labels=tokens).loss
        loss.backward()
        torch.nn.utils.clip_grad_norm_([p for p in model.parameters() if p.requires_grad], 1.0)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        torch.cuda.synchronize()
        if step > 0:
            seconds.append(time.perf_counter() - started)
    median = statistics.median(seconds)
    result = dict(tokensPerSecond=arguments.batch * arguments.length / median, stepSeconds=median, peakBytes=torch.cuda.max_memory_allocated(), loss=float(loss))
except Exception as error:  # a peer that cannot run is reported as such, never estimated
    result = dict(error=f"{type(error).__name__}: {error}"[:400])
print(json.dumps({**settings, **result}), flush=True)
