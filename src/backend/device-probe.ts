/** A device that this machine might have: usable, or not and why. A missing device is a value, never a crash. */
export type DeviceProbe =
  | { readonly name: string; readonly available: true; readonly detail: string }
  | { readonly name: string; readonly available: false; readonly reason: string };
