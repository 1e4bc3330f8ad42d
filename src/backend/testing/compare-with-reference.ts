/**
 * The second oracle of every op: the same arrays through the device and through kernels/reference, whole tensors compared.
 * Each side runs twice on the same buffers, and the device's two runs must agree to the bit.
 */
import type { Backend } from "../backend.ts";
import { openReferenceBackend } from "../cpu/open-cpu.ts";
import { expectClose, TOLERANCE } from "./expect-close.ts";
import { decode } from "./number-codec.ts";
import { TestArrays } from "./test-arrays.ts";

/** Makes the arrays of a case and returns what runs the op. Called once for each side, and must make the same arrays both times. */
export type OpCase = (arrays: TestArrays) => () => void;

export interface CompareOptions {
  /** Which case it is, dtype included: stands before every message, and lets the devices of one test file share the reference's answer. */
  label: string;
  /** Multiplies the tolerance of every output, or of the named ones. Say why where it is used. */
  slack?: number | Readonly<Record<string, number>>;
}

let reference: Backend | undefined;
const answers = new Map<string, Outputs>();

export async function compareWithReference(backend: Backend, makeCase: OpCase, options: CompareOptions): Promise<void> {
  try {
    compare(await answerOf(makeCase, options.label), await runCase(backend, makeCase), options);
  } catch (error) {
    if (error instanceof Error) error.message = `${options.label}: ${error.message}`;
    throw error;
  }
}

async function answerOf(makeCase: OpCase, label: string): Promise<Outputs> {
  reference ??= openReferenceBackend();
  // The text of the case too: where test files share a process, two ops may have a case of the same label.
  const key = `${label} ${makeCase}`;
  const known = answers.get(key);
  if (known) return known;
  const answer = await runCase(reference, makeCase);
  answers.set(key, answer);
  return answer;
}

type Outputs = Awaited<ReturnType<typeof runCase>>;

function compare(expected: Outputs, actual: Outputs, options: CompareOptions): void {
  for (const [name, { dtype, shape, bytes }] of expected) {
    const slack = typeof options.slack === "object" ? (options.slack[name] ?? 1) : (options.slack ?? 1);
    expectClose(decode(dtype, actual.get(name)!.bytes), decode(dtype, bytes), { name, shape, tolerance: TOLERANCE[dtype] * slack });
  }
}

/** Outputs of the second of two runs, by name; throws when the runs differ in any bit. */
export async function runCase(backend: Backend, makeCase: OpCase) {
  const arrays = new TestArrays(backend);
  try {
    const run = makeCase(arrays);
    arrays.reset();
    run();
    const first = await arrays.readAll();
    arrays.reset();
    run();
    const second = await arrays.readAll();
    for (const [name, bytes] of second) {
      if (!Buffer.from(bytes).equals(first.get(name)!)) {
        throw new Error(`${name}: two runs on ${backend.device.name} (${backend.device.architecture}) differ`);
      }
    }
    return new Map(
      arrays.written.map(({ name, operand }) => [name, { dtype: operand.dtype, shape: operand.shape, bytes: second.get(name)! }] as const),
    );
  } finally {
    arrays.release();
  }
}
