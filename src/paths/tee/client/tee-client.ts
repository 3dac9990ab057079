import type { PathClient } from "../../path.ts";
import { appraiseSession } from "../evidence/appraise-session.ts";
import { createTeeClient } from "./seal-client.ts";

/** The tee path's client: appraises a worker's session with the tee path's own appraiser, then seals to it. */
export const teeClient: PathClient = createTeeClient({ appraiseSession });
