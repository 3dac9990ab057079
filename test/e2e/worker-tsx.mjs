// Lets Node run TypeScript sources, in model threads too: `--import tsx` alone registers on the main thread only.
import { register } from "tsx/esm/api";

register();
