import { parseJson, type JsonObject } from "../../src/core/json.ts";
import { buildBundle, type Changes } from "../fixtures/bundle.ts";
import { judge } from "../fixtures/verdict.ts";
import { createWorld, trustOf } from "../fixtures/world.ts";
import { tamper } from "./tamper-walk.ts";
const world = await createWorld(); const trust = trustOf(world);
async function run(name: string, doc: any, make: (d: any) => Changes) {
  const seen: Record<string, number> = {}; let n = 0, skipped = 0;
  for (const { place, document } of tamper(doc, name)) {
    n++;
    let bundle: Uint8Array;
    try { bundle = (await buildBundle(world, make(document))).bundle; } catch { skipped++; continue; }
    try { const v = await judge(bundle, trust); if (v.outcome === "accepted") seen[place] = (seen[place] ?? 0) + 1; else if (v.outcome !== "rejected" && v.outcome !== "malformed") seen[place + " " + v.code] = 1; }
    catch (e) { seen["THROW " + place + String(e)] = 1; }
  }
  console.log(name, n, "unbuildable", skipped, JSON.stringify(seen, null, 0));
}
const honest = await buildBundle(world);
const d = honest.receipt.document;
await run("events", d["event_log"], (x) => ({ events: () => x }));
await run("session", honest.session, (x) => ({ session: () => x }));
await run("decision", parseJson(JSON.stringify(honest.decision)), (x) => ({ decision: () => x }));
const refusal = await buildBundle(world, { kind: "lost-after-forwarding" });
await run("refusal events", refusal.receipt.document["event_log"], (x) => ({ kind: "lost-after-forwarding", events: () => x }));
const denied = await buildBundle(world, { kind: "denied" });
await run("denied events", denied.receipt.document["event_log"], (x) => ({ kind: "denied", events: () => x }));
const early = await buildBundle(world, { kind: "refused-before-policy" });
await run("early events", early.receipt.document["event_log"], (x) => ({ kind: "refused-before-policy", events: () => x }));
await run("receipt", { chat_id: null, endpoint: d["endpoint"], method: "POST", served_at: d["served_at"], id: d["receipt_id"] } as JsonObject, (x) => ({ receipt: (u) => ({ ...u, chatId: x.chat_id, endpoint: x.endpoint, method: x.method, servedAt: x.served_at, receiptId: x.id }) }));
let rep: any; await buildBundle(world, { report: (r) => (rep = r) });
await run("report", rep, (x) => ({ report: () => x }));
