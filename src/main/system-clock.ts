import { type Clock, unixSeconds } from "../core/time.ts";

/** The machine's clock. Only programs read it; everything below gets times as arguments. */
export const systemClock: Clock = () => unixSeconds(Math.floor(Date.now() / 1000));
