/** The process in which `npm start` has its server. */
import { serveParent } from "./serve-parent.ts";

await serveParent();
