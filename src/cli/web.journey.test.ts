/** The web as documents, from a server of our own: for an index, for an answer, for one debater of two. Off unless asked for. */
import { writeFileSync } from "node:fs";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { fishWorld, linesOf, TINY } from "./testing/fish-world.ts";

const world = await fishWorld("web");
const { folder, docs, index, remora, endpointOf } = world;
afterAll(() => world.close());

describe("the web", () => {
  let server: Server;
  let home = "";
  const asked: string[] = [];
  beforeAll(async () => {
    server = createServer((request, response) => {
      asked.push(request.url!);
      const { host } = request.headers;
      if (request.url === "/cod")
        response.writeHead(200, { "content-type": "text/html" }).end("<h1>Cod</h1><p>The Greenland cod eats capelin.</p>");
      else if (request.url!.startsWith("/search"))
        response
          .writeHead(200, { "content-type": "application/json" })
          .end(JSON.stringify({ results: [{ url: `http://${host}/cod` }, { url: `http://${host}/gone` }] }));
      else response.writeHead(404).end();
    });
    await new Promise<void>((resolve) => void server.listen(0, "127.0.0.1", resolve));
    home = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  });
  afterAll(() => {
    server.closeAllConnections();
    server.close();
  });
  const web = (...words: string[]) => ["--web", "--web-pause-seconds", "0", "--web-cache", join(folder, "web"), ...words];
  const ask = (question: string, from: string, ...more: string[]) =>
    remora(["ask", question, "--index", from, "--model", TINY, "--max-tokens", "4", "--device", "cpu", ...more]);
  const today = new Date().toISOString().slice(0, 10);

  test("off by default; inward addresses only by name", async () => {
    const off = await remora(["index", `${home}/cod`, "--index", join(folder, "off")]);
    expect(off.code).toBe(2);
    expect(off.err).toContain("is an address, and the web is off");
    const inward = await remora(["index", `${home}/cod`, "--index", join(folder, "off"), ...web()]);
    expect(inward.code).toBe(2);
    expect(inward.err).toContain("it leads to 127.0.0.1, which is no public address");
    expect((await remora(["ask", "What?", "--index", join(folder, "off"), "--model", TINY, "--web"])).err).toContain(
      "expected addresses or a search engine, found neither",
    );
    expect(asked).toEqual([]);
  });

  test("index: addresses among files, cited with their date; unchanged the second time", async () => {
    const path = join(folder, "web-index");
    const words = ["index", docs, `${home}/cod`, `${home}/gone`, "--index", path, ...web("--web-allow", "127.0.0.1"), "--json"];
    const first = await remora(words);
    expect(first.code, first.err).toBe(0);
    expect(JSON.parse(first.out).failures).toEqual([{ document: `${home}/gone`, reason: "the server answered 404" }]);
    expect(JSON.parse((await remora(words)).out).documents).toMatchObject({ added: 0, changed: 0, failed: 1 });
    const answered = await ask("What does the Greenland cod eat?", path);
    expect(answered.out, answered.err).toContain(`[1] ${home}/cod › Cod (read ${today})`);
  });

  test("ask: found by a search engine, beside an index or without one", async () => {
    const found = web("--web-allow", "127.0.0.1", "--web-search", `searxng:${home}`);
    const alone = await ask("What does the Greenland cod eat?", join(folder, "no-index"), ...found);
    expect(alone.code, alone.err).toBe(0);
    expect(alone.out).toContain(`[1] ${home}/cod › Cod (read ${today})`);
    expect(alone.err).toContain(`not read ${home}/gone: the server answered 404`);
    const beside = await ask("What does the remora attach itself to?", index, ...found);
    expect(beside.out, beside.err).toContain("remora.md › Remora");
    // Kept pages answer without the network.
    const before = asked.length;
    const offline = await ask("What does the Greenland cod eat?", join(folder, "no-index"), "--offline", ...found);
    expect(offline.out, offline.err).toContain(`${home}/cod › Cod`);
    expect(asked).toHaveLength(before);
  });

  test("debate: one debater reads the web, the other does not", async () => {
    const cod = join(folder, "cod.jsonl");
    writeFileSync(cod, '{"question":"What does the Greenland cod eat?"}\n');
    const endpoint = await endpointOf({ a: () => "Capelin.", b: () => "Capelin, I think." });
    const debaters = ["--debater", `a=${endpoint.model("a")}`, "--debater", `b=${endpoint.model("b")},web=off`];
    const out = join(folder, "web-debate");
    const { code, err } = await remora([
      "debate",
      cod,
      ...debaters,
      "--rounds",
      "1",
      "--out",
      out,
      "--yes",
      ...web("--web-allow", "127.0.0.1", "--web-pages", `${home}/cod`),
    ]);
    expect(code, err).toBe(0);
    expect(linesOf(join(out, "transcript.jsonl"))[0]).toMatchObject({
      status: "answered",
      answer: "Capelin [1].",
      confidence: 1,
      sources: [{ number: 1, label: `${home}/cod › Cod (read ${today})` }],
      turns: [{ given: [1] }, { given: [] }],
    });
  });
});
