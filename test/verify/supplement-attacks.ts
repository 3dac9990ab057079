import type { JsonObject } from "../../src/core/json.ts";
import { type Attack, forger } from "../fixtures/attack.ts";
import type { Changes, SupplementChange } from "../fixtures/bundle.ts";
import { at } from "../fixtures/world.ts";
import { asyncPolicy, other } from "./attack-part.ts";
import { awaiting } from "./leg-attacks.ts";

/** An answer whose leg came later, in a supplement. */
export function supplemented(...supplements: readonly SupplementChange[]): Changes {
  return { policyText: asyncPolicy, events: awaiting(at(900)), supplements };
}

function attack(name: string, check: string, code: string, change: SupplementChange, more: Partial<Attack> = {}): Attack {
  return { name, check, code, changes: supplemented(change), ...more };
}

/** Changes members of the supplement's events of one type. */
function edit(type: string, patch: JsonObject): NonNullable<SupplementChange["receipt"]> {
  return (receipt) => ({
    ...receipt,
    events: receipt.events.map((event) => (event["type"] === type ? { ...event, ...patch } : event)),
  });
}

const parent = (name: string, receipt: NonNullable<SupplementChange["receipt"]>) =>
  attack(name, "supplement.parent", "SUPPLEMENT_PARENT_MISMATCH", { receipt });
const story = (name: string, receipt: NonNullable<SupplementChange["receipt"]>) =>
  attack(name, "supplement.events", "SUPPLEMENT_INVALID", { receipt });

/** Supplements that continue another receipt, or bring what this one does not await. */
export const supplementAttacks: readonly Attack[] = [
  parent("whose supplement continues another receipt's id", edit("parent", { receipt_id: "rcpt-another" })),
  parent("whose supplement continues another receipt of its id", edit("parent", { receipt_digest: other })),
  parent("whose supplement is about another request", edit("request.received", { body_hash: other })),
  parent("whose supplement is about another model", (receipt) => ({ ...receipt, model: "another" })),
  parent("whose supplement has its own id", (receipt) => {
    const named = receipt.events.find((event) => event["type"] === "parent");
    const id = named?.["receipt_id"];
    return { ...receipt, receiptId: typeof id === "string" ? id : "" };
  }),
  story("whose supplement returns a response of its own", (receipt) => ({
    ...receipt,
    events: [...receipt.events, { type: "response.returned", body_hash: other }],
  })),
  story("whose supplement has an event that nobody knows", (receipt) => ({
    ...receipt,
    events: [...receipt.events, { type: "x.unknown" }],
  })),
  {
    name: "whose supplement is signed by a key that the keyset does not have",
    check: "supplement.signature",
    code: "SUPPLEMENT_SIGNATURE_INVALID",
    changes: ({ world }) => supplemented({ signer: forger(world.gateway) }),
  },
  attack("whose supplement is in the log as a receipt", "log.supplement", "LOG_INCLUSION_INVALID", { kind: "receipt" }),
  {
    name: "with two supplements that bring one leg",
    check: "supplement.legs",
    code: "SUPPLEMENT_LEG_UNEXPECTED",
    changes: supplemented({}, {}),
  },
  {
    name: "with a supplement that brings a leg which is there",
    check: "supplement.legs",
    code: "SUPPLEMENT_LEG_UNEXPECTED",
    changes: { supplements: [{}] },
  },
  attack("whose supplement says that another sealed", "supplement.legs", "SUPPLEMENT_LEG_UNEXPECTED", {
    legs: (legs) => legs.flatMap((leg) => [leg, { ...leg, sealed_by: "caller" }]),
  }),
  attack(
    "whose leg came after its deadline",
    "leg.not-overdue",
    "LEG_OVERDUE",
    { servedAt: at(980), witnessedAt: at(990) },
    { options: { now: at(1200) } },
  ),
  attack("whose supplement is dated before it", "log.time", "LOG_TIME_INVALID", { servedAt: at(50) }),
  attack("whose supplement brings another leg than it says", "leg.cited", "LEG_MISMATCH", {
    legs: (legs) => legs.map((leg) => ({ ...leg, evidence_digest: other })),
  }),
  {
    name: "whose supplement brings the leg of another answer",
    check: "binding.response-returned",
    code: "BINDING_RESPONSE_MISMATCH",
    changes: {
      ...supplemented({}),
      events: (events) =>
        awaiting(at(900))(events).map((event) =>
          event["type"] === "response.returned" ? { ...event, body_hash: other } : event,
        ),
    },
  },
];
