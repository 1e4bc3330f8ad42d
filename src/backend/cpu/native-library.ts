/** Opens the CPU library with koffi: every function of remora.h under its own name, after comparing the ABI number. */
import koffi from "koffi";
import { NativeLibraryError } from "../../errors/native-library-error.ts";
import { ABI_VERSION, DECLARATIONS, type NativeLibrary } from "./bindings.generated.ts";
import { findLibrary } from "./find-library.ts";

const opened = new Map<string, NativeLibrary>();

/** The library at `path` (found when left out). Opened once per process; contexts made from it are independent. */
export function openLibrary(path: string = findLibrary()): NativeLibrary {
  let library = opened.get(path);
  if (!library) {
    library = bind(path);
    opened.set(path, library);
  }
  return library;
}

/** Native memory as bytes, not copied. At most 1 GiB: larger views abort Node 20. */
export function viewBytes(address: bigint, bytes: number): Uint8Array {
  if (bytes > 2 ** 30) throw new RangeError(`A view of ${bytes} bytes: expected at most 1 GiB`);
  return new Uint8Array(koffi.view(address, bytes));
}

function bind(path: string): NativeLibrary {
  const rebuild = "Run `npm run build:kernels`.";
  let handle: ReturnType<typeof koffi.load>;
  try {
    handle = koffi.load(path);
  } catch (cause) {
    throw new NativeLibraryError(`${path} cannot be loaded: ${(cause as Error).message}`, rebuild, [path], cause);
  }
  const functions: Record<string, unknown> = {};
  for (const [name, declaration] of Object.entries(DECLARATIONS)) {
    try {
      functions[name] = handle.func(declaration);
    } catch (cause) {
      throw new NativeLibraryError(`${path} lacks ${name}`, rebuild, [path], cause);
    }
  }
  const library = functions as unknown as NativeLibrary;
  const found = library.remora_abi_version();
  if (found !== ABI_VERSION) {
    throw new NativeLibraryError(`expected ABI version ${ABI_VERSION}, found ${found} in ${path}`, rebuild, [path]);
  }
  return library;
}
