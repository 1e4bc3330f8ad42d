import { describe, expect, test } from "vitest";
import { parseVariants } from "./variant.ts";

const GPT = "openai-compatible:http://127.0.0.1:8000/v1#m";

describe("variants", () => {
  test("models of the comparison and others by name, with documents and without", () => {
    expect(parseVariants(["base", "tuned+docs", `gpt=${GPT}`, "gpt+docs"], ["base", "tuned"], true)).toEqual({
      variants: [
        { name: "base", model: "base", documents: false },
        { name: "tuned+docs", model: "tuned", documents: true },
        { name: "gpt", model: "gpt", documents: false },
        { name: "gpt+docs", model: "gpt", documents: true },
      ],
      models: { gpt: GPT },
    });
    expect(parseVariants([`q4+docs=local:./b?base=nf4&adapter=a`], [], true).models).toEqual({ q4: "local:./b?base=nf4&adapter=a" });
  });

  test.each([
    [["tuned"], "tuned: expected one of base, with or without +docs, or name=model (give --adapter)"],
    [["base", "base"], "base is named twice"],
    [["base+docs"], "base+docs needs documents, and no index was given"],
    [["./b?x=1"], "./b?x=1: expected a name of letters and digits before the ="],
    [[`base=${GPT}`], "base: base is a model of this comparison already"],
    [["a=x", "a+docs=y"], "a+docs: a is two models"],
    [["gpt"], "gpt: expected one of base, with or without +docs, or name=model"],
  ])("%j is refused", (names, problem) => {
    expect(() => parseVariants(names, ["base"], false)).toThrow(problem);
  });
});
