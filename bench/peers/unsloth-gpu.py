"""Peer of the GPU benchmark: Unsloth QLoRA on the Mistral Nemo 12B shape, random weights in NF4, rank 16 on seven linears.

    python bench/peers/unsloth-gpu.py [--batch 4] [--length 2048] [--steps 4] [--checkpointing unsloth|layers|none] [--tiny]
    python bench/peers/unsloth-gpu.py --decode 64                     greedy answer of one row after a prompt of 128 tokens

One setting a process; packages and how they reach the card: unsloth-requirements.txt. `--tiny` is two narrow layers, to see in seconds
whether the packages work there. Prints one JSON line like peft-gpu.py's.

What is Unsloth's: FastLanguageModel.from_pretrained, get_peft_model and for_training, unchanged, so its model classes, fused LoRA products,
Triton kernels, chunked cross-entropy and offloaded checkpointing do all timed work. As in its examples: the 8-bit AdamW of bitsandbytes, bf16
autocast around the forward. Attention is PyTorch's SDPA, which Unsloth takes where xformers does not load; xformers on PyPI is built for CUDA 12.
What is ours: (1) the folder it loads holds config and tokenizer only, and `AutoModelForCausalLM.from_pretrained` is replaced by `draw`, which
draws the weights on the card instead of reading 24.5 GB of them; (2) the loop below instead of a Trainer, which does no work of its own here but
clipping. `fused` in the JSON counts the layers whose LoRA products Unsloth fused, `compiled` those it compiled as one region; layers not fused,
losses that stay or are not finite are an error, not a result.
"""

import argparse
import importlib.metadata
import json
import math
import os
import statistics
import tempfile
import time
import traceback

parser = argparse.ArgumentParser()
parser.add_argument("--batch", type=int, default=4)
parser.add_argument("--length", type=int, default=2048)
parser.add_argument("--steps", type=int, default=4)
parser.add_argument("--layers", type=int, default=40)
parser.add_argument("--checkpointing", choices=["unsloth", "layers", "none"], default="unsloth", help="layers: whole layers again, nothing offloaded")
parser.add_argument("--tiny", action="store_true", help="two narrow layers: checks this script and the packages")
parser.add_argument("--decode", type=int, default=0, help="time a greedy answer of this many tokens instead of training")
arguments = parser.parse_args()

NEMO = dict(
    vocab_size=131072,
    hidden_size=5120,
    intermediate_size=14336,
    num_hidden_layers=arguments.layers,
    num_attention_heads=32,
    num_key_value_heads=8,
    head_dim=128,
)
TINY = dict(vocab_size=512, hidden_size=256, intermediate_size=512, num_hidden_layers=2, num_attention_heads=4, num_key_value_heads=2, head_dim=64)
LINEARS = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]
PACKAGES = ["torch", "transformers", "peft", "bitsandbytes", "unsloth", "unsloth_zoo", "trl"]
WARMUPS = 2  # the first step compiles the Triton and Inductor kernels, the second settles the allocator


def versions():
    found = {}
    for name in PACKAGES:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            found[name] = None
    return found


def draw(config):
    """The model of `config` on the card: linears of the layers in NF4 (double quantization, as Unsloth's own BitsAndBytesConfig asks), the rest bf16."""
    import bitsandbytes as bnb
    import torch
    import transformers

    def random(*shape):
        return torch.empty(*shape, dtype=torch.bfloat16, device="cuda").normal_(0, 0.02)

    torch.manual_seed(0)
    with torch.device("meta"):
        model = transformers.MistralForCausalLM(config)
    for module in list(model.model.layers.modules()):
        for name, child in list(module.named_children()):
            if isinstance(child, torch.nn.Linear):
                weight = random(child.out_features, child.in_features)
                with torch.device("meta"):
                    linear = bnb.nn.Linear4bit(child.in_features, child.out_features, bias=False, compute_dtype=torch.bfloat16, quant_type="nf4")
                # Quantizes on the card as soon as it is "moved" there; the dense copy is freed with `weight`.
                linear.weight = bnb.nn.Params4bit(weight, requires_grad=False, quant_type="nf4", compress_statistics=True, module=linear).to("cuda")
                del weight
                setattr(module, name, linear)
    for module in model.modules():
        for name, parameter in list(module.named_parameters(recurse=False)):
            if parameter.is_meta:
                fresh = random(*parameter.shape) if parameter.dim() > 1 else torch.ones(parameter.shape, dtype=torch.bfloat16, device="cuda")
                setattr(module, name, torch.nn.Parameter(fresh, requires_grad=False))
    # Buffers on meta hold no data: rotary frequencies are made again from the config, by the class that Unsloth put there.
    model.model.rotary_emb = type(model.model.rotary_emb)(config=config).to("cuda")
    # What Transformers' loader notes about a 4-bit model, and PEFT and Unsloth ask for.
    model.config.quantization_config = transformers.BitsAndBytesConfig(
        load_in_4bit=True, bnb_4bit_use_double_quant=True, bnb_4bit_quant_type="nf4", bnb_4bit_compute_dtype=torch.bfloat16
    )
    model.is_loaded_in_4bit = model.is_quantized = True
    model.quantization_method = transformers.utils.quantization_config.QuantizationMethod.BITS_AND_BYTES
    return model.eval()


def write_folder(folder):
    """Config and tokenizer, no weights. The tokenizer knows as many words as the embedding has rows: Unsloth would zero the others."""
    import tokenizers
    import torch
    import transformers

    shape = TINY if arguments.tiny else NEMO
    config = transformers.MistralConfig(
        **shape,
        max_position_embeddings=131072,
        rms_norm_eps=1e-5,
        rope_theta=1e6,
        sliding_window=None,
        tie_word_embeddings=False,
        bos_token_id=1,
        eos_token_id=2,
        pad_token_id=3,
        dtype=torch.bfloat16,
    )
    config.architectures = ["MistralForCausalLM"]
    config.save_pretrained(folder)
    special = ["<unk>", "<s>", "</s>", "<pad>"]
    words = special + [f"w{index}" for index in range(len(special), config.vocab_size)]
    tokenizer = tokenizers.Tokenizer(tokenizers.models.WordLevel({word: index for index, word in enumerate(words)}, unk_token="<unk>"))
    tokenizer.pre_tokenizer = tokenizers.pre_tokenizers.Whitespace()
    named = dict(zip(["unk_token", "bos_token", "eos_token", "pad_token"], special))
    transformers.PreTrainedTokenizerFast(tokenizer_object=tokenizer, **named).save_pretrained(folder)


def build():
    import transformers
    import unsloth

    folder = tempfile.mkdtemp(prefix="nemo-shape-")
    write_folder(folder)

    def from_pretrained(name, *, config=None, **_):
        return draw(config or transformers.AutoConfig.from_pretrained(name, attn_implementation="sdpa"))

    transformers.AutoModelForCausalLM.from_pretrained = staticmethod(from_pretrained)
    model, _ = unsloth.FastLanguageModel.from_pretrained(
        folder,
        max_seq_length=arguments.length,
        dtype=None,
        load_in_4bit=True,
        device_map={"": 0},  # named, so that Unsloth does not look for weight files to plan by
        local_files_only=True,
    )
    if arguments.decode:
        return unsloth.FastLanguageModel.for_inference(model)
    model = unsloth.FastLanguageModel.get_peft_model(
        model,
        r=16,
        target_modules=LINEARS,
        lora_alpha=16,
        lora_dropout=0,
        bias="none",
        use_gradient_checkpointing={"unsloth": "unsloth", "layers": True, "none": False}[arguments.checkpointing],
        random_state=3407,
    )
    return unsloth.FastLanguageModel.for_training(model)


def fused(model):
    """Layers whose attention and MLP both run Unsloth's fused LoRA products."""
    from unsloth.kernels import fast_lora

    layers = model.base_model.model.model.layers
    count = sum(
        layer.self_attn.apply_qkv is fast_lora.apply_lora_qkv
        and layer.self_attn.apply_o is fast_lora.apply_lora_o
        and getattr(layer.mlp.forward, "__func__", None) is fast_lora.apply_lora_mlp_swiglu
        for layer in layers
    )
    if count < len(layers):
        raise RuntimeError(f"Unsloth fused the LoRA products of {count} of {len(layers)} layers")
    return count


def compiled(model):
    """Layers that Unsloth runs as one region of torch.compile, whole or with attention outside; where compiling fails it keeps the layer as it is."""
    return sum(layer.__dict__.get("_unsloth_block_mode", 0) > 0 for layer in model.base_model.model.model.layers)


def train(model):
    import bitsandbytes as bnb
    import torch
    from unsloth.utils.attention_dispatch import select_attention_backend

    trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
    optimizer = bnb.optim.AdamW8bit(trained, lr=1e-4)
    tokens = torch.randint(4, model.config.vocab_size, (arguments.batch, arguments.length), device="cuda")
    seconds, losses, norms = [], [], []
    for step in range(arguments.steps + WARMUPS):
        if step == WARMUPS:
            torch.cuda.reset_peak_memory_stats()
        torch.cuda.synchronize()
        started = time.perf_counter()
        with torch.autocast("cuda", dtype=torch.bfloat16):
            loss = model(input_ids=tokens, labels=tokens).loss
        loss.backward()
        norm = torch.nn.utils.clip_grad_norm_(trained, 1.0)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        torch.cuda.synchronize()
        if step >= WARMUPS:
            seconds.append(time.perf_counter() - started)
        losses.append(float(loss.detach()))
        norms.append(float(norm))
    if not all(math.isfinite(value) for value in losses + norms) or len(set(losses)) == 1:
        raise RuntimeError(f"nothing is learned: losses {losses}, gradient norms {norms}")
    median = statistics.median(seconds)
    return dict(
        tokensPerSecond=arguments.batch * arguments.length / median,
        stepSeconds=median,
        stepsSeconds=seconds,
        losses=losses,
        gradientNorms=norms,
        loss=losses[-1],
        trainedParameters=sum(parameter.numel() for parameter in trained),
        embeddingOn=str(model.get_input_embeddings().weight.device),
        fused=fused(model),
        compiled=compiled(model),
        attention=select_attention_backend(),
    )


def decode(model):
    import torch

    prompt = torch.randint(4, model.config.vocab_size, (1, 128), device="cuda")
    settings = dict(attention_mask=torch.ones_like(prompt), do_sample=False, use_cache=True, eos_token_id=None, pad_token_id=3)

    def answer(tokens):
        torch.cuda.synchronize()
        started = time.perf_counter()
        model.generate(input_ids=prompt, min_new_tokens=tokens, max_new_tokens=tokens, **settings)
        torch.cuda.synchronize()
        return time.perf_counter() - started

    # Once in full, so that nothing is compiled or captured while the clock runs.
    answer(arguments.decode + 1)
    torch.cuda.reset_peak_memory_stats()
    # The difference leaves the prompt out.
    seconds = answer(arguments.decode + 1) - answer(1)
    return dict(tokensPerSecond=arguments.decode / seconds, stepSeconds=seconds / arguments.decode)


def main():
    # No network is asked for anything, and generated sources go where they can be thrown away.
    os.environ.update(HF_HUB_OFFLINE="1", TRANSFORMERS_OFFLINE="1", HF_DATASETS_OFFLINE="1", UNSLOTH_DISABLE_STATISTICS="1", DO_NOT_TRACK="1")
    os.environ.setdefault("UNSLOTH_COMPILE_LOCATION", tempfile.mkdtemp(prefix="unsloth-compiled-"))
    settings = dict(what="Unsloth, Nemo 12B shape", base="nf4", **vars(arguments), **versions())
    try:
        started = time.perf_counter()
        import unsloth  # noqa: F401  before transformers and peft, which it patches

        import torch

        imported = time.perf_counter()
        model = build()
        torch.cuda.synchronize()
        built = time.perf_counter()
        result = decode(model) if arguments.decode else train(model)
        result = dict(
            importSeconds=imported - started,
            buildSeconds=built - imported,
            peakBytes=torch.cuda.max_memory_allocated(),
            card=torch.cuda.get_device_name(),
            **result,
        )
    except Exception as error:  # a peer that cannot run is reported as such, never estimated
        traceback.print_exc()
        result = dict(error=f"{type(error).__name__}: {error}"[:400])
    print(json.dumps({**settings, **result}), flush=True)


if __name__ == "__main__":
    main()
