/** A process that pulls one model by name and ends: for tests of several at once. */
import { connectHub } from "../client/hub-connection.ts";
import { hubCacheFolder } from "../hub-cache.ts";
import { pullRepository } from "../pull/pull-repository.ts";

const [owner, name] = process.argv[2]!.split("/");
const hub = connectHub("Testing", process.env);
await pullRepository(hub, { cache: hubCacheFolder(process.env), repository: { type: "model", owner: owner!, name: name! } });
