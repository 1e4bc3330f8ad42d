/** Runs the same tests on each device of this machine. A skipped device prints why. */
import { afterAll, beforeAll, describe, it } from "vitest";
import type { Backend } from "../backend.ts";
import { cudaIsRequired, testDevices } from "./test-devices.ts";

const devices = await testDevices();

/** The backend is open while tests run; `backend()` reads it inside `it`. */
export interface DeviceUnderTest {
  readonly name: string;
  readonly isReference: boolean;
  backend(): Backend;
}

export function describeOnEachDevice(subject: string, body: (device: DeviceUnderTest) => void): void {
  for (const device of devices) {
    if (device.missing !== undefined) {
      const title = `${subject} on ${device.name} (skipped: ${device.missing})`;
      if (device.name.startsWith("cuda") && cudaIsRequired()) {
        it(title, () => {
          throw new Error(`REMORA_REQUIRE_CUDA=1, but ${device.name} cannot be used: ${device.missing}`);
        });
      } else describe.skip(title, () => it("needs the device", () => {}));
      continue;
    }
    describe(`${subject} on ${device.name}`, () => {
      let opened: Backend | undefined;
      beforeAll(async () => {
        opened = await device.open();
      });
      afterAll(() => opened?.dispose());
      body({
        name: device.name,
        isReference: device.name === "reference",
        backend: () => opened!,
      });
    });
  }
}
