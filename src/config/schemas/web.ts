/** The web as documents: what `remora index`, `remora ask` and `remora debate` may fetch, and how politely. Off unless `web` is set. */
import { z } from "zod";
import { count, option, positive, section, text, textOrList } from "../option.ts";

export const webOptions = section("Web", {
  web: option(z.boolean().default(false), {
    description: "Pages of the web are documents too: those of --web-pages, and what --web-search finds",
    more: "Without it nothing is fetched, whatever else is set.",
  }),
  webPages: option(textOrList().optional(), { description: "Addresses to read", derived: "none", placeholder: "url..." }),
  webSearch: option(text().optional(), {
    description: "Who finds pages: searxng:https://host, brave, or tavily",
    derived: "nobody: only the given addresses",
    more: "Keys come from BRAVE_API_KEY and TAVILY_API_KEY and are never written. `brave:https://…` and `tavily:https://…` name another address of the same kind.",
    placeholder: "engine",
  }),
  webResults: option(count().max(20).default(5), { description: "Found pages that are read for a question", placeholder: "n" }),
  webAllow: option(textOrList().optional(), {
    description: "Hosts (or host:port) that may be private or loopback addresses",
    derived: "none: only public addresses are connected to",
    placeholder: "host...",
  }),
  webCache: option(text().optional(), {
    description: "Folder where read pages are kept",
    derived: "remora/web in XDG_CACHE_HOME or ~/.cache",
    placeholder: "folder",
  }),
  webMaxAgeHours: option(z.number().min(0).default(24), { description: "Kept pages are read again when older", placeholder: "h" }),
  webMaxBytes: option(
    count(1024)
      .max(64 * 2 ** 20)
      .default(4 * 2 ** 20),
    { description: "Longest page, unpacked", placeholder: "bytes" },
  ),
  webTimeoutSeconds: option(positive().max(600).default(20), {
    description: "Longest time of one page, redirects included",
    placeholder: "s",
  }),
  webPauseSeconds: option(z.number().min(0).max(60).default(1), {
    description: "Pause between two requests to one host; a longer Crawl-delay of its robots.txt wins, up to 10 s",
    placeholder: "s",
  }),
});

const webSchema = z.object(webOptions);
export type WebConfig = z.output<typeof webSchema> & { readonly offline: boolean };
