import { RemoraError } from "./remora-error.ts";

/** The device that was asked for cannot be used here. */
export class DeviceError extends RemoraError {
  readonly device: string;

  constructor(device: string, reason: string, next?: string) {
    super("device", 2, {
      doing: `Opening device "${device}"`,
      problem: reason,
      next: next ?? "`remora doctor` lists the devices of this machine.",
    });
    this.device = device;
  }
}
