import { expect, it } from "vitest";
import { counted } from "./counted.ts";

it("counts one thing, several and none", () => {
  expect(counted(1, "row")).toBe("1 row");
  expect(counted(0, "row")).toBe("0 rows");
  expect(counted(2048, "token")).toBe("2,048 tokens");
  expect(counted(1, "try", "tries")).toBe("1 try");
  expect(counted(3, "try", "tries")).toBe("3 tries");
});
