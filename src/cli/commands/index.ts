/** The commands, one file each. `../registry.ts` says which of them `engram` has. */
export { auditCommand } from "./audit.ts";
export { chatCommand } from "./chat.ts";
export { conformanceCommand } from "./conformance.ts";
export { dashCommand } from "./dash.ts";
export { doctorCommand } from "./doctor.ts";
export { evalCommand } from "./eval.ts";
export { generateCommand } from "./generate.ts";
export { quantizeCommand } from "./quantize.ts";
export { rowsCommand } from "./rows.ts";
export { serveCommand } from "./serve.ts";
export { showCommand } from "./show.ts";
export { startCommand } from "./start.ts";
export { studyCommand } from "./study.ts";
export { tablePushCommand, tableVerifyCommand } from "./table.ts";
export { tokenMapCommand } from "./token-map.ts";
export { tokenizerTrainCommand } from "./tokenizer-train.ts";
export { trainCommand } from "./train.ts";
export { verifyCommand } from "./verify.ts";
