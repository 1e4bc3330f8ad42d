"""Peer baseline of the CPU benchmark: Transformers + PEFT, LoRA on a SmolLM2-135M shape.

The question: how many tokens a second, and at what peak memory, does the usual Python stack tune the shape that
`npm run bench:cpu` tunes with remora? The weights are random (speed and memory depend on shapes alone); rank 16 on the seven
linears of each layer, batch 4 x 512, every token trained, AdamW. One setting a process, because peak memory is a process figure.

    python bench/peers/peft-cpu.py --dtype bf16 --attention sdpa
    python bench/peers/peft-cpu.py --all            # the four dtype x attention settings, each in its own process, one JSON line each

stdout: one JSON object (one a line with --all). Memory: `rssBeforeBytes` is taken after the imports and before the model exists,
`peakRssBytes` is the highest of the whole process, `peakAboveStartBytes` their difference, which is what compares with another
runtime (the interpreter and its libraries are not the model's fault). The peer gets its best defaults: fused AdamW, LoRA in f32
over bf16 weights as PEFT does by itself, no data loading, no logging inside the timed part. Versions: fixtures/make/requirements.txt.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import time

SHAPE = dict(
    vocab_size=49152,
    hidden_size=576,
    num_hidden_layers=30,
    num_attention_heads=9,
    num_key_value_heads=3,
    head_dim=64,
    intermediate_size=1536,
    max_position_embeddings=8192,
    rms_norm_eps=1e-5,
    rope_theta=100000.0,
    tie_word_embeddings=True,
)
LINEARS = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Transformers + PEFT LoRA on a SmolLM2-135M shape, on the CPU")
    parser.add_argument("--dtype", choices=["f32", "bf16"], default="bf16", help="dtype of the frozen weights and activations")
    parser.add_argument("--attention", choices=["eager", "sdpa"], default="sdpa")
    parser.add_argument("--adapter-dtype", choices=["f32", "weights"], default="f32", help="f32 is PEFT's own choice")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--checkpointing", action="store_true", help="recompute activations layer by layer")
    parser.add_argument("--batch", type=int, default=4)
    parser.add_argument("--sequence", type=int, default=512)
    parser.add_argument("--rank", type=int, default=16)
    parser.add_argument("--warmup", type=int, default=2, help="steps before timing")
    parser.add_argument("--steps", type=int, default=6, help="timed steps")
    parser.add_argument("--layers", type=int, default=SHAPE["num_hidden_layers"])
    parser.add_argument("--all", action="store_true", help="run the four dtype x attention settings, one process each")
    return parser.parse_args()


def memory_bytes(field: str) -> int:
    """A line of /proc/self/status in bytes: VmRSS (now) or VmHWM (highest so far)."""
    with open("/proc/self/status") as file:
        for line in file:
            if line.startswith(field + ":"):
                return int(line.split()[1]) * 1024
    raise RuntimeError(f"/proc/self/status has no {field}")


def run_all(options: argparse.Namespace) -> None:
    for dtype in ("f32", "bf16"):
        for attention in ("eager", "sdpa"):
            command = [sys.executable, os.path.abspath(__file__), "--dtype", dtype, "--attention", attention]
            for name in ("threads", "batch", "sequence", "rank", "warmup", "steps", "layers"):
                command += [f"--{name}", str(getattr(options, name))]
            command += ["--adapter-dtype", options.adapter_dtype] + (["--checkpointing"] if options.checkpointing else [])
            subprocess.run(command, check=True)


def main() -> None:
    options = arguments()
    if options.all:
        run_all(options)
        return
    os.environ["OMP_NUM_THREADS"] = str(options.threads)
    os.environ["HF_HUB_OFFLINE"] = "1"

    import peft
    import torch
    import transformers

    torch.set_num_threads(options.threads)
    torch.manual_seed(0)
    transformers.logging.set_verbosity_error()
    load_before = os.getloadavg()[0]
    rss_before = memory_bytes("VmRSS")

    dtype = torch.float32 if options.dtype == "f32" else torch.bfloat16
    config = transformers.LlamaConfig(**{**SHAPE, "num_hidden_layers": options.layers}, attn_implementation=options.attention, use_cache=False)
    model = transformers.AutoModelForCausalLM.from_config(config, dtype=dtype, attn_implementation=options.attention)
    adapter = peft.LoraConfig(r=options.rank, lora_alpha=options.rank, target_modules=LINEARS, task_type="CAUSAL_LM")
    if options.checkpointing:
        model.enable_input_require_grads()
        model.gradient_checkpointing_enable(gradient_checkpointing_kwargs={"use_reentrant": False})
    model = peft.get_peft_model(model, adapter, autocast_adapter_dtype=options.adapter_dtype == "f32")
    model.train()
    trained = [p for p in model.parameters() if p.requires_grad]
    optimizer = torch.optim.AdamW(trained, lr=1e-4, fused=True)
    tokens = torch.randint(0, config.vocab_size, (options.batch, options.sequence))

    def step() -> float:
        loss = model(input_ids=tokens, labels=tokens).loss
        loss.backward()
        torch.nn.utils.clip_grad_norm_(trained, 1.0)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        return loss.item()

    losses, seconds = [], []
    for index in range(options.warmup + options.steps):
        start = time.perf_counter()
        losses.append(step())
        if index >= options.warmup:
            seconds.append(time.perf_counter() - start)

    count = options.batch * options.sequence
    peak = memory_bytes("VmHWM")
    print(
        json.dumps(
            {
                "peer": "transformers+peft",
                "shape": "smollm2-135m",
                "dtype": options.dtype,
                "attention": options.attention,
                "adapterDtype": options.adapter_dtype,
                "checkpointing": options.checkpointing,
                "threads": options.threads,
                "batch": options.batch,
                "sequence": options.sequence,
                "rank": options.rank,
                "trainableParameters": sum(p.numel() for p in trained),
                "steps": len(seconds),
                "tokensPerSecondMedian": round(count / statistics.median(seconds), 1),
                "tokensPerSecondBest": round(count / min(seconds), 1),
                "stepSeconds": [round(s, 3) for s in seconds],
                "rssBeforeBytes": rss_before,
                "peakRssBytes": peak,
                "peakAboveStartBytes": peak - rss_before,
                "lossFirst": losses[0],
                "lossLast": losses[-1],
                "loadAverageBefore": load_before,
                "loadAverageAfter": os.getloadavg()[0],
                "cpuIsa": torch.backends.cpu.get_cpu_capability(),
                "versions": {"torch": torch.__version__, "transformers": transformers.__version__, "peft": peft.__version__},
            }
        ),
        flush=True,
    )


if __name__ == "__main__":
    main()
