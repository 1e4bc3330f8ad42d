import { expect, test } from "vitest";
import { fakeIo } from "../testing/fake-io.ts";
import { bar, ProgressLine } from "./progress-line.ts";

const CLEAR = "\r\x1b[2K";

test("redraws in place, cut to the width, again after a resize, and keeps printed lines above", () => {
  const io = fakeIo({}, { terminal: true, columns: 20 });
  const line = new ProgressLine(io.stderr);
  line.update("step 1/10 loss 2.5000 long");
  expect(io.err()).toBe(`${CLEAR}step 1/10 loss 2.5…`);
  io.resize(12);
  expect(io.err().endsWith(`${CLEAR}step 1/10 …`)).toBe(true);
  line.print("kept");
  expect(io.err().endsWith(`${CLEAR}kept\n${CLEAR}step 1/10 …`)).toBe(true);
  line.end();
  const before = io.err();
  expect(before.endsWith(CLEAR)).toBe(true);
  io.resize(40);
  expect(io.err()).toBe(before);
});

test("without a terminal only printed lines appear", () => {
  const io = fakeIo({}, {});
  const line = new ProgressLine(io.stderr);
  line.update("step 1");
  line.print("kept");
  line.end();
  expect(io.err()).toBe("kept\n");
});

test.each([
  [0, "    "],
  [0.5, "██  "],
  [0.53125, "██▏ "],
  [1, "████"],
  [7, "████"],
  [-1, "    "],
])("bar(%f, 4)", (share, expected) => {
  expect(bar(share, 4)).toBe(expected);
});
