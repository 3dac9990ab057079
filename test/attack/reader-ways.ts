/** What a person reads: text from a bundle that would draw over what the verifier says. */
import { verdictLines } from "../../src/main/print-verdict.ts";
import { verifyBundle } from "../../src/verify/index.ts";
import type { Scene } from "../fixtures/attack.ts";
import { buildBundle, type Changes } from "../fixtures/bundle.ts";
import { PLAIN } from "../fixtures/verdict.ts";
import { trustOf } from "../fixtures/world.ts";
import { found, type Way } from "./way.ts";

/** Everything that is not drawn as itself: controls of both blocks, format characters, line and paragraph separators. */
const DRAWS = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/u;

function printed(way: string, changes: Changes): Way {
  return found("any", way, "verdictLines", "SPELLED_OUT", async ({ world }: Scene) => {
    const { bundle } = await buildBundle(world, changes);
    const lines = verdictLines(await verifyBundle(bundle, trustOf(world), PLAIN), true);
    return lines.some((line) => DRAWS.test(line)) ? null : "SPELLED_OUT";
  });
}

const named = (receiptId: string): Changes => ({ receipt: (receipt) => ({ ...receipt, receiptId }) });

/** All of them. */
export const readerWays: readonly Way[] = [
  printed(
    "a terminal's control sequence in a receipt's id, which draws ACCEPTED over REJECTED",
    named("rcpt-1\u009b2J\u009bHACCEPTED"),
  ),
  printed(
    "a line of its own in the verdict, by a line separator in a receipt's id",
    named("rcpt-1\u2028ACCEPTED\u0085service    alpha"),
  ),
  printed("text in the other direction in a receipt's id", named("rcpt-\u202eDETCEJER")),
  printed("an event of an unknown type, whose name is a sentence for the terminal", {
    events: (events) => [...events.slice(0, 1), { type: "\u009b31maudited\u200b" }, ...events.slice(1)],
  }),
];
