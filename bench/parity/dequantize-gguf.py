"""Rewrites a GGUF with every quantized tensor decoded to f16 or f32, metadata unchanged.

    python bench/parity/dequantize-gguf.py in.gguf out.gguf --dtype f16

On the decoded file llama.cpp multiplies without rounding activations to 8 bits, so comparing both files' answers separates what its
arithmetic does from what a reader of the weights gets wrong. Needs `pip install gguf==0.19.0`; a tool for measuring, not for users.
"""

import argparse

import gguf
import numpy as np

# Written by GGUFWriter itself, or about the encoding that changes.
SKIPPED = {"GGUF.version", "GGUF.tensor_count", "GGUF.kv_count", "general.architecture", "general.file_type"}


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("source")
    parser.add_argument("target")
    parser.add_argument("--dtype", choices=["f16", "f32"], default="f16")
    options = parser.parse_args()
    reader = gguf.GGUFReader(options.source)
    architecture = reader.get_field("general.architecture").contents()
    writer = gguf.GGUFWriter(options.target, architecture)
    for name, field in reader.fields.items():
        if name in SKIPPED:
            continue
        kind = field.types[0]
        inner = field.types[-1] if kind == gguf.GGUFValueType.ARRAY else None
        writer.add_key_value(name, field.contents(), kind, sub_type=inner)
    writer.add_file_type(gguf.LlamaFileType.MOSTLY_F16 if options.dtype == "f16" else gguf.LlamaFileType.ALL_F32)
    for tensor in reader.tensors:
        values = gguf.dequantize(tensor.data, tensor.tensor_type)
        quantized = tensor.tensor_type not in (gguf.GGMLQuantizationType.F32, gguf.GGMLQuantizationType.F16)
        if quantized and options.dtype == "f16":
            values = values.astype(np.float16)
        writer.add_tensor(tensor.name, np.ascontiguousarray(values))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


if __name__ == "__main__":
    main()
