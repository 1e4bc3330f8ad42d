import { describe, expect, test } from "vitest";
import { StopStrings } from "./stop-strings.ts";
import { StreamDecoder, type StreamDecoderOptions } from "./stream-decoder.ts";
import { ByteTokenizer } from "./testing/byte-tokenizer.ts";
import { trainedTokenizer } from "./testing/trained-tokenizer.ts";

const bytes = new ByteTokenizer();
/** What each token releases, then the end. */
const pieces = (ids: readonly number[], options?: StreamDecoderOptions, tokenizer = bytes): string[] => {
  const decoder = new StreamDecoder(tokenizer, options);
  return [...ids.map((id) => decoder.push(id)), decoder.end()];
};

describe("StreamDecoder", () => {
  test("a character of several tokens comes out whole, with its last byte", () => {
    expect(pieces(bytes.encode("aあ👍"))).toEqual(["a", "", "", "あ", "", "", "", "👍", ""]);
  });

  test("the pieces joined equal decode, also for broken bytes and a byte-order mark", async () => {
    const texts = ["", "駅まで歩きました。", "👩‍👩‍👧‍👦", "\ufeffx", "e\u0301"];
    for (const tokenizer of [bytes, await trainedTokenizer()]) {
      for (const text of texts) {
        const ids = tokenizer.encode(text);
        const stream = new StreamDecoder(tokenizer);
        expect(ids.map((id) => stream.push(id)).join("") + stream.end()).toBe(text);
      }
    }
    const broken = [0xe3, 0x81, 0x41, 0xff, 0xe3];
    expect(pieces(broken).join("")).toBe(bytes.decode(broken));
  });

  test("special tokens are left out, or shown when asked for", () => {
    expect(pieces([256, 104, 105, 257]).join("")).toBe("hi");
    expect(pieces([256, 104, 105, 257], { skipSpecial: false }).join("")).toBe("<bos>hi<eos>");
  });

  test("the tokenizer's leading space is dropped once, and kept where the text continues another", () => {
    const spaced = new ByteTokenizer({ stripsLeadingSpace: true });
    expect(pieces(bytes.encode("  a b"), {}, spaced).join("")).toBe(" a b");
    expect(pieces(bytes.encode(" a"), { continues: true }, spaced).join("")).toBe(" a");
    expect(pieces([256, ...bytes.encode(" a")], {}, spaced).join("")).toBe("a");
  });

  test("a stop string over several tokens is never shown, nor what follows it", () => {
    const decoder = new StreamDecoder(bytes, { stop: ["###"] });
    const shown = bytes.encode("ok##x ### more").map((id) => decoder.push(id));
    expect(shown).toEqual(["o", "k", "", "", "##x", " ", "", "", "", "", "", "", "", ""]);
    expect(decoder.stoppedBy).toBe("###");
    expect(decoder.end()).toBe("");
  });

  test("what looked like a stop string comes out at the end", () => {
    expect(pieces(bytes.encode("a##"), { stop: ["###"] })).toEqual(["a", "", "", "##"]);
  });

  test("a stop string with characters of several bytes", () => {
    const decoder = new StreamDecoder(bytes, { stop: ["。終"] });
    expect([...bytes.encode("はい。終わり").map((id) => decoder.push(id)), decoder.end()].join("")).toBe("はい");
    expect(decoder.stoppedBy).toBe("。終");
  });
});

describe("StopStrings", () => {
  test("the earliest match wins, then the one complete first; empty ones are ignored", () => {
    const stops = new StopStrings(["cd", "b", "", "bcd"]);
    expect(stops.push("abcd")).toBe("a");
    expect(stops.stoppedBy).toBe("b");
    expect(stops.push("more")).toBe("");
  });

  test("a false start that begins another one is held on", () => {
    const stops = new StopStrings(["aab"]);
    expect([stops.push("aa"), stops.push("a"), stops.push("b"), stops.end()]).toEqual(["", "a", "", ""]);
    expect(stops.stoppedBy).toBe("aab");
  });
});
