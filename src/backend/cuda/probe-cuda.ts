/** What cards this machine has and whether remora can use them: each answer is a value with a reason, never a crash. */
import type { DeviceProbe } from "../device-probe.ts";
import { type CublasLtLibrary, findCublasLt } from "./cublaslt.ts";
import { type CardFacts, type Driver, openDriver } from "./driver.ts";
import { cardProblem, driverProblem, versionText } from "./driver-requirements.ts";
import { findImages, type KernelImages } from "./find-images.ts";
import type { CudaSearch } from "./library-search.ts";

/** Everything a card needs to be opened. */
export interface CudaInstallation {
  readonly driver: Driver;
  readonly images: KernelImages;
  readonly library: CublasLtLibrary;
  readonly cards: readonly CardFacts[];
}

/** Driver, kernels and cuBLASLt, or the first thing that is missing. `images` and `opened` are given by tests. */
export function findCuda(
  search: CudaSearch = {},
  images = findImages(),
  opened = openDriver(search),
): CudaInstallation | { readonly reason: string } {
  if ("reason" in opened) return opened;
  if ("reason" in images) return images;
  const { driver } = opened;
  const tooOld = driverProblem(driver.version, images.toolkit);
  if (tooOld !== null) return { reason: tooOld };
  const blas = findCublasLt(search);
  if ("reason" in blas) return blas;
  const cards = Array.from({ length: driver.cardCount() }, (_, ordinal) => driver.card(ordinal));
  return { driver, images, library: blas.library, cards };
}

export function probeWith(found: CudaInstallation | { readonly reason: string }): DeviceProbe[] {
  if ("reason" in found) return [{ name: "cuda", available: false, reason: found.reason }];
  return found.cards.map((card): DeviceProbe => {
    const name = `cuda:${card.ordinal}`;
    const reason = cardProblem(card);
    if (reason !== null) return { name, available: false, reason };
    const versions = `CUDA ${versionText(found.driver.version)}, cuBLASLt ${found.library.version}`;
    return {
      name,
      available: true,
      detail: `${card.model}, ${(card.memoryBytes / 1e9).toFixed(1)} GB, sm_${card.major}${card.minor}, ${versions}`,
    };
  });
}
