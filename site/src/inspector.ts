/** The static site begins: its worker is started before the page's own code is there. */
import { ServerInWorker } from "./server-in-worker.ts";

const server = new ServerInWorker();
const { showPage } = await import("./page.ts");
showPage(server);
