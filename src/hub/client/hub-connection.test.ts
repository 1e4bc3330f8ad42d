import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { inspect } from "node:util";
import { expect, it } from "vitest";
import { connectHub, readToken } from "./hub-connection.ts";
import { askedPause } from "./hub-request.ts";
import { redactTokens } from "./secret.ts";

it("reads the token from the environment first, then from the file", () => {
  const home = mkdtempSync(join(tmpdir(), "remora-token-"));
  writeFileSync(join(home, "token"), "hf_fromTheFile\n");
  writeFileSync(join(home, "other"), "hf_fromAnother");
  expect(readToken({ HF_HOME: home })?.reveal()).toBe("hf_fromTheFile");
  expect(readToken({ HF_HOME: home, HF_TOKEN: " hf_fromTheVariable\r\n" })?.reveal()).toBe("hf_fromTheVariable");
  expect(readToken({ HF_HOME: home, HF_TOKEN_PATH: join(home, "other") })?.reveal()).toBe("hf_fromAnother");
  expect(readToken({ HF_HOME: join(home, "none"), HF_TOKEN: "" })).toBeUndefined();
  rmSync(home, { recursive: true });
});

it("shows a token nowhere", () => {
  const hub = connectHub("Testing", { HF_TOKEN: "verySecretWithoutPrefix" });
  expect(`${hub.token} ${JSON.stringify(hub)} ${inspect(hub, { depth: 5, showHidden: true })}`).not.toContain("verySecret");
  expect(hub.token!.redact("a verySecretWithoutPrefix b hf_AnotherTokenThatLeaked")).toBe("a [secret] b [secret]");
  expect(redactTokens("hf_transfer and hf_0123456789abcdef")).toBe("hf_transfer and [secret]");
});

it("takes another endpoint, and refuses one that is no address or holds a password", () => {
  expect(connectHub("Testing", {}).endpoint).toBe("https://huggingface.co");
  expect(connectHub("Testing", { HF_ENDPOINT: "http://127.0.0.1:8080/" }).endpoint).toBe("http://127.0.0.1:8080");
  for (const HF_ENDPOINT of ["ftp://x", "nowhere", "https://me:pass@hub.example"]) {
    expect(() => connectHub("Testing", { HF_ENDPOINT })).toThrowErrorMatchingInlineSnapshot(`
      [UsageError: Reading HF_ENDPOINT: expected an http or https address without a user name
        For one: https://huggingface.co]
    `);
  }
});

it("does not use the network when told so", () => {
  for (const [env, offline] of [
    [{ HF_HUB_OFFLINE: "1" }, false],
    [{}, true],
  ] as const) {
    expect(() => connectHub("Fetching", env, { offline })).toThrow(
      /Fetching: this needs the network, and (--offline was given|HF_HUB_OFFLINE is set)/,
    );
  }
});

it.each([
  [{ "Retry-After": "12" }, 12_000],
  [{ "Retry-After": "Thu, 01 Jan 1970 00:00:00 GMT" }, 0],
  [{ RateLimit: '"api";r=0;t=55' }, 55_000],
  [{ "Retry-After": "soon" }, undefined],
  [{}, undefined],
])("pause asked for by %o", (headers, expected) => expect(askedPause(new Headers(headers as Record<string, string>))).toBe(expected));
