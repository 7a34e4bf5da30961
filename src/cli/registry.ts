/**
 * The commands of `engram`, in the order in which its help lists them. Adding one: a file in
 * `commands/`, a line here, and the frozen list in `options.test.ts`, on purpose.
 */
import type { Command } from "./command.ts";
import {
  auditCommand,
  chatCommand,
  conformanceCommand,
  dashCommand,
  doctorCommand,
  evalCommand,
  generateCommand,
  pullCommand,
  graftCommand,
  quantizeCommand,
  rowsCommand,
  serveCommand,
  showCommand,
  startCommand,
  studyCommand,
  tablePushCommand,
  tableVerifyCommand,
  tokenizerTrainCommand,
  tokenMapCommand,
  trainCommand,
  verifyCommand,
} from "./commands/index.ts";

export const commands: readonly Command[] = [
  startCommand,
  pullCommand,
  trainCommand,
  graftCommand,
  generateCommand,
  chatCommand,
  serveCommand,
  dashCommand,
  evalCommand,
  auditCommand,
  studyCommand,
  quantizeCommand,
  showCommand,
  verifyCommand,
  doctorCommand,
  tokenizerTrainCommand,
  tablePushCommand,
  tableVerifyCommand,
  rowsCommand,
  tokenMapCommand,
  conformanceCommand,
];
